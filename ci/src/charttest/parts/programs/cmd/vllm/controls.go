package main

import (
	"net/http"
	"os"
	"strconv"
)

// held keeps what /test-engine/allocate took.
var held [][]byte

// addControls lets a test make the engine fail: POST /test-engine/{crash,hang,allocate,fill-shm}.
func addControls(routes *http.ServeMux, server *server) {
	routes.HandleFunc("POST /test-engine/crash", func(http.ResponseWriter, *http.Request) {
		crash("on request")
	})
	routes.HandleFunc("POST /test-engine/hang", func(http.ResponseWriter, *http.Request) {
		server.hung.Store(true)
	})
	routes.HandleFunc("POST /test-engine/allocate", func(writer http.ResponseWriter, request *http.Request) {
		if size, ok := size(writer, request); ok {
			taken := make([]byte, size)
			for page := 0; page < size; page += 4096 {
				taken[page] = 1
			}
			held = append(held, taken)
		}
	})
	routes.HandleFunc("POST /test-engine/fill-shm", func(writer http.ResponseWriter, request *http.Request) {
		if size, ok := size(writer, request); ok {
			if err := os.WriteFile("/dev/shm/filled", make([]byte, size), 0o600); err != nil {
				answer(writer, http.StatusInsufficientStorage, err.Error())
			}
		}
	})
}

func size(writer http.ResponseWriter, request *http.Request) (int, bool) {
	size, err := strconv.Atoi(request.FormValue("bytes"))
	if err != nil || size < 0 {
		answer(writer, http.StatusBadRequest, "bytes: a whole number is expected")
		return 0, false
	}
	return size, true
}
