package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ringBufferBytes is the shared memory that vLLM's executor of several processes asks for at least.
const ringBufferBytes = 160 << 20

// checkStart refuses what vLLM refuses before it loads.
func checkStart(settings *settings) error {
	if port := os.Getenv("VLLM_PORT"); strings.Contains(port, "://") {
		return fmt.Errorf("ValueError: VLLM_PORT '%s' appears to be a URI. This may be caused by a Kubernetes service discovery issue", port)
	}
	if filepath.IsAbs(settings.model) {
		if _, err := os.Stat(settings.model); err != nil {
			return fmt.Errorf("OSError: %s is not a local folder", settings.model)
		}
	}
	cache := os.Getenv("VLLM_CACHE_ROOT")
	if cache == "" {
		cache = filepath.Join(os.Getenv("HOME"), ".cache", "vllm")
	}
	if err := writable(cache); err != nil {
		return fmt.Errorf("PermissionError: [Errno 13] Permission denied: '%s' (%w)", cache, err)
	}
	if settings.worldSize > 1 {
		var shm syscall.Statfs_t
		if err := syscall.Statfs("/dev/shm", &shm); err != nil {
			return err
		}
		if free := shm.Bavail * uint64(shm.Bsize); free < ringBufferBytes {
			return fmt.Errorf("RuntimeError: Insufficient space in /dev/shm for shared-memory allocation: %d MiB required, %d MiB free", ringBufferBytes>>20, free>>20)
		}
	}
	return nil
}

func writable(folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	file, err := os.CreateTemp(folder, "probe")
	if err != nil {
		return err
	}
	file.Close()
	return os.Remove(file.Name())
}

// bind takes the port without listening on it: connections are refused until listen.
func bind(port int) (int, error) {
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	if err := syscall.SetsockoptInt(socket, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		return 0, err
	}
	if err := syscall.Bind(socket, &syscall.SockaddrInet4{Port: port}); err != nil {
		return 0, fmt.Errorf("OSError: [Errno 98] port %d: %w", port, err)
	}
	return socket, nil
}

func listen(socket int) (net.Listener, error) {
	if err := syscall.Listen(socket, 2048); err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(socket), "port")
	defer file.Close()
	return net.FileListener(file)
}

// simulator is llm-d-inference-sim, which makes the answers and the metrics.
type simulator struct {
	address string
	ended   chan struct{}
}

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
	arguments = append(append(arguments, "--served-model-name"), settings.servedNames...)
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

func text(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}
