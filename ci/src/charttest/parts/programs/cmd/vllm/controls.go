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
		server.hang()
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
			if err := fill("/dev/shm/filled", size); err != nil {
				answer(writer, http.StatusInsufficientStorage, wrong(507, err.Error()))
			}
		}
	})
}

func size(writer http.ResponseWriter, request *http.Request) (int, bool) {
	size, err := strconv.Atoi(request.FormValue("bytes"))
	if err != nil || size < 0 {
		answer(writer, http.StatusBadRequest, wrong(400, "bytes: a whole number is expected"))
		return 0, false
	}
	return size, true
}

// fill writes piece by piece: the file counts against the memory limit, what is to be written must not.
func fill(path string, size int) error {
	file, err := os.Create(path)
	if err != nil {
		return asPython(err, path)
	}
	defer file.Close()
	piece := make([]byte, 1<<20)
	for size > 0 {
		written, err := file.Write(piece[:min(size, len(piece))])
		if err != nil {
			return asPython(err, path)
		}
		size -= written
	}
	return nil
}
