package main

import (
	"net"
	"os"
	"strconv"
	"syscall"
)

// bind takes the port without listening on it: connections are refused until listen.
func bind(host string, port int) (int, error) {
	address, err := net.ResolveTCPAddr("tcp4", net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		return 0, err
	}
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, asPython(err, address.String())
	}
	if err := syscall.SetsockoptInt(socket, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		return 0, asPython(err, address.String())
	}
	place := &syscall.SockaddrInet4{Port: port, Addr: [4]byte(address.IP.To4())}
	if err := syscall.Bind(socket, place); err != nil {
		return 0, asPython(err, address.String())
	}
	return socket, nil
}

func listen(socket int) (net.Listener, error) {
	if err := syscall.Listen(socket, 2048); err != nil {
		return nil, asPython(err, "listen")
	}
	file := os.NewFile(uintptr(socket), "port")
	defer file.Close()
	return net.FileListener(file)
}
