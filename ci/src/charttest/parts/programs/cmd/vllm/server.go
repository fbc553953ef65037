package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// server answers as vLLM's API server does, through the simulator.
type server struct {
	http     http.Server
	running  atomic.Int64 // requests that the engine works on
	draining atomic.Bool  // no new requests
	stalled  atomic.Bool  // nothing is sent any more, nothing is closed
	hung     atomic.Bool  // nothing is answered any more
}

func newServer(settings *settings, address string) (*server, error) {
	idle, err := duration("VLLM_HTTP_TIMEOUT_KEEP_ALIVE", "5")
	if err != nil {
		return nil, err
	}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: address})
	proxy.FlushInterval = -1
	// A kept connection that the simulator has closed would be a request lost between the two.
	proxy.Transport = &http.Transport{DisableKeepAlives: true}
	proxy.ErrorLog = log.New(os.Stderr, "WARNING ", log.Ltime)

	made := &server{}
	routes := http.NewServeMux()
	routes.HandleFunc("GET /health", func(http.ResponseWriter, *http.Request) {})
	routes.HandleFunc("/v1/", func(writer http.ResponseWriter, request *http.Request) {
		if !allowed(request, settings.apiKeys) {
			answer(writer, http.StatusUnauthorized, `{"error": "Unauthorized"}`)
			return
		}
		// Counted before it is let in: a drain that begins now waits for it.
		made.running.Add(1)
		defer made.running.Add(-1)
		if request.Method == http.MethodPost && made.draining.Load() {
			answer(writer, http.StatusInternalServerError, wrong(500, "cannot schedule new futures after shutdown"))
			return
		}
		proxy.ServeHTTP(&stallable{writer, request.Context(), &made.stalled}, request)
	})
	routes.Handle("/metrics", proxy)
	addControls(routes, made)
	made.http.Handler = http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
		if made.hung.Load() {
			// That a client has gone is seen only after its request was read.
			_, _ = io.Copy(io.Discard, request.Body)
			<-request.Context().Done()
			return
		}
		routes.ServeHTTP(writer, request)
	})
	// As uvicorn ends connections on which nothing comes; zero would mean never to net/http.
	made.http.IdleTimeout = max(idle, time.Millisecond)
	return made, nil
}

// start answers on the socket from now on.
func (s *server) start(socket int) error {
	listener, err := listen(socket)
	if err != nil {
		return err
	}
	go func() {
		if err := s.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			crash(err.Error())
		}
	}()
	return nil
}

// hang stops every answer, also those that have begun; connections are accepted as before.
func (s *server) hang() {
	s.hung.Store(true)
	s.stalled.Store(true)
}

// shutDown does what vLLM does at SIGTERM. Without a timeout it stops listening at once and leaves running
// requests hanging: nothing more is sent, nothing is closed, and the process stays as long as their clients.
// With one it goes on answering, /health included, but refuses new work; what is not done in time hangs.
func (s *server) shutDown(timeout time.Duration) {
	log.Printf("Shutting down, timeout %s", timeout)
	if timeout > 0 {
		s.draining.Store(true)
		deadline := time.Now().Add(timeout)
		for s.running.Load() > 0 && time.Now().Before(deadline) {
			time.Sleep(10 * time.Millisecond)
		}
	}
	s.stalled.Store(s.stalled.Load() || s.running.Load() > 0)
	_ = s.http.Shutdown(context.Background())
	log.Print("Shutdown complete")
}

func allowed(request *http.Request, keys []string) bool {
	token, _ := strings.CutPrefix(request.Header.Get("Authorization"), "Bearer ")
	return len(keys) == 0 || slices.Contains(keys, token)
}

func answer(writer http.ResponseWriter, status int, body string) {
	writer.Header().Set("Content-Type", "application/json")
	writer.WriteHeader(status)
	_, _ = io.WriteString(writer, body)
}

// wrong is the body of vLLM's refusals.
func wrong(status int, message string) string {
	return fmt.Sprintf(`{"error": {"message": %q, "code": %d}}`, message, status)
}

// stallable is a response that stops in the middle once the server has stalled, until its client goes away.
type stallable struct {
	http.ResponseWriter
	client  context.Context
	stalled *atomic.Bool
}

func (s *stallable) Write(content []byte) (int, error) {
	if s.stalled.Load() {
		<-s.client.Done()
		return 0, s.client.Err()
	}
	return s.ResponseWriter.Write(content)
}

func (s *stallable) WriteHeader(status int) {
	if s.stalled.Load() {
		<-s.client.Done()
		return
	}
	s.ResponseWriter.WriteHeader(status)
}

func (s *stallable) Unwrap() http.ResponseWriter { return s.ResponseWriter }
