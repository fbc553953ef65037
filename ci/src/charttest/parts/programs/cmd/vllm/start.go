package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
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
	if err := writable(text("VLLM_CACHE_ROOT", filepath.Join(os.Getenv("HOME"), ".cache", "vllm"))); err != nil {
		return err
	}
	if settings.worldSize > 1 {
		var shm syscall.Statfs_t
		if err := syscall.Statfs("/dev/shm", &shm); err != nil {
			return asPython(err, "/dev/shm")
		}
		if free := shm.Bavail * uint64(shm.Bsize); free < ringBufferBytes {
			return fmt.Errorf("RuntimeError: Insufficient space in /dev/shm for shared-memory allocation: %d MiB required, %d MiB free", ringBufferBytes>>20, free>>20)
		}
	}
	return nil
}

func writable(folder string) error {
	var failed *os.PathError
	if err := os.MkdirAll(folder, 0o755); errors.As(err, &failed) {
		return asPython(err, failed.Path) // the folder above that cannot be made
	}
	file, err := os.CreateTemp(folder, "probe")
	if err != nil {
		return asPython(err, folder)
	}
	file.Close()
	return os.Remove(file.Name())
}

// asPython words an error of the system as Python does: PermissionError: [Errno 13] Permission denied: '/.cache'.
func asPython(err error, subject string) error {
	var number syscall.Errno
	if !errors.As(err, &number) {
		return err
	}
	kind := "OSError"
	if number == syscall.EACCES || number == syscall.EPERM {
		kind = "PermissionError"
	}
	told := number.Error()
	return fmt.Errorf("%s: [Errno %d] %s%s: '%s'", kind, number, strings.ToUpper(told[:1]), told[1:], subject)
}
