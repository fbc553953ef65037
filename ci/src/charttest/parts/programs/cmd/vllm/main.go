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
	"strconv"
	"syscall"
	"time"
)

const (
	exitConfig  = 1   // a configuration that the engine refuses
	exitUsage   = 2   // argparse
	exitStopped = 143 // SIGTERM while it loads
)

func main() {
	log.SetFlags(log.Ltime)
	log.SetPrefix("INFO ")
	settings, err := parse(os.Args[1:], flagsFile())
	if err != nil {
		fmt.Fprintf(os.Stderr, "usage: vllm serve [model_tag] [options]\nvllm serve: error: %s\n", err)
		os.Exit(exitUsage)
	}
	// The port is taken before the model loads, but nothing answers on it until the model has loaded.
	port, err := bind(settings.port)
	if err == nil {
		err = checkStart(settings)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(exitConfig)
	}

	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, syscall.SIGTERM, syscall.SIGINT)
	log.Printf("Loading %s", settings.model)
	select {
	case <-terminated:
		os.Exit(exitStopped)
	case <-loaded():
	}

	simulator, err := startSimulator(settings)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(exitConfig)
	}
	server := newServer(settings, simulator.address)
	go server.serve(port)
	log.Printf("Application startup complete: %v on port %d", settings.servedNames, settings.port)
	select {
	case <-simulator.ended:
		crash("the simulator has ended")
	case <-terminated:
		server.shutDown(settings.shutdownTimeout)
	}
}

// loaded fires when the model has loaded.
func loaded() <-chan time.Time {
	if os.Getenv("TEST_ENGINE_HANG_AT_START") != "" {
		return nil
	}
	return time.After(time.Duration(environment("TEST_ENGINE_LOAD_SECONDS", 0) * float64(time.Second)))
}

// crash ends the process as vLLM's ends when its engine has died: with code 0.
func crash(why string) {
	log.Printf("Engine core died: %s", why)
	os.Exit(0)
}

func environment(name string, otherwise float64) float64 {
	value, err := strconv.ParseFloat(os.Getenv(name), 64)
	if err != nil {
		return otherwise
	}
	return value
}
