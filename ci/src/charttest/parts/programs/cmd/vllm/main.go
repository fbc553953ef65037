// vllm is the test engine: what a pod of the chart starts in place of vLLM, unchanged.
//
// It reads the command line as vLLM does, loads as long as it is told, serves through llm-d-inference-sim, and
// ends as vLLM ends: what it does at SIGTERM, at a crash and at a hang was seen on a running vLLM.
package main

import (
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const (
	exitCrash   = 0   // the engine's process has died: vLLM's own ends as if all were well
	exitConfig  = 1   // a configuration that the engine refuses
	exitUsage   = 2   // argparse
	exitStopped = 143 // SIGTERM while it loads
)

func main() {
	log.SetFlags(log.Ltime)
	log.SetPrefix("INFO ")
	// First of all: process 1 of a container never hears of signals that it does not ask for.
	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, syscall.SIGTERM, syscall.SIGINT)
	settings, err := parse(os.Args[1:], flagsFile())
	if err != nil {
		fmt.Fprintf(os.Stderr, "usage: vllm serve [model_tag] [options]\nvllm serve: error: %s\n", err)
		os.Exit(exitUsage)
	}

	simulators := make(chan *simulator)
	go func() {
		simulator, err := load(settings)
		if err != nil {
			refuse(err)
		}
		simulators <- simulator
	}()
	// The port is taken before the model loads, but nothing answers on it until the model has loaded.
	socket, err := bind(settings.host, settings.port)
	if err != nil {
		refuse(err)
	}
	var loaded *simulator
	select {
	case <-terminated:
		os.Exit(exitStopped)
	case loaded = <-simulators:
	}

	server, err := newServer(settings, loaded.address)
	if err == nil {
		err = server.start(socket)
	}
	if err != nil {
		refuse(err)
	}
	log.Printf("Application startup complete: %v on port %d", settings.servedNames, settings.port)
	go func() {
		<-loaded.ended
		crash("the simulator has ended")
	}()
	<-terminated
	server.shutDown(settings.shutdownTimeout)
}

// load takes as long as it is told and returns what will answer.
func load(settings *settings) (*simulator, error) {
	if err := checkStart(settings); err != nil {
		return nil, err
	}
	takes, err := duration("TEST_ENGINE_LOAD_SECONDS", "0")
	if err != nil {
		return nil, err
	}
	log.Printf("Loading %s", settings.model)
	time.Sleep(takes)
	if os.Getenv("TEST_ENGINE_HANG_AT_START") != "" {
		select {}
	}
	return startSimulator(settings)
}

func refuse(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(exitConfig)
}

func crash(why string) {
	log.Printf("Engine core died: %s", why)
	os.Exit(exitCrash)
}
