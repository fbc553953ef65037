package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// simulator is llm-d-inference-sim, which makes the answers and the metrics.
type simulator struct {
	address string
	ended   chan struct{}
}

// startSimulator returns once it accepts connections. It never outlives this process.
func startSimulator(settings *settings) (*simulator, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	arguments := []string{
		"--model=" + settings.model,
		"--port=" + strconv.Itoa(port),
		"--max-model-len=" + strconv.Itoa(settings.maxModelLen),
		"--max-num-seqs=" + strconv.Itoa(settings.maxNumSeqs),
		"--time-to-first-token=" + text("TEST_ENGINE_TIME_TO_FIRST_TOKEN", "50ms"),
		"--inter-token-latency=" + text("TEST_ENGINE_INTER_TOKEN_LATENCY", "20ms"),
		"--force-dummy-tokenizer",
	}
	arguments = append(arguments, settings.passedOn...)
	arguments = append(append(arguments, "--served-model-name"), settings.servedNames...)
	if len(settings.loraModules) > 0 {
		arguments = append(append(arguments, "--lora-modules"), settings.loraModules...)
	}
	own, err := os.Executable()
	if err != nil {
		return nil, err
	}
	command := exec.Command(filepath.Join(filepath.Dir(own), "llm-d-inference-sim"), arguments...)
	command.Env = append(os.Environ(), "POD_IP=127.0.0.1")
	command.Stderr = os.Stderr
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := command.Start(); err != nil {
		return nil, err
	}
	started := &simulator{fmt.Sprintf("127.0.0.1:%d", port), make(chan struct{})}
	go func() {
		_ = command.Wait()
		close(started.ended)
	}()
	for {
		select {
		case <-started.ended:
			return nil, fmt.Errorf("RuntimeError: Engine core initialization failed")
		case <-time.After(20 * time.Millisecond):
		}
		if connection, err := net.Dial("tcp", started.address); err == nil {
			connection.Close()
			return started, nil
		}
	}
}

func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}
