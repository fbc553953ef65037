package main

import (
	"context"
	"fmt"
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

func newServer(settings *settings, address string) *server {
	target, _ := url.Parse("http://" + address)
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.FlushInterval = -1
	proxy.ErrorLog = log.New(os.Stderr, "WARNING ", log.Ltime)

	made := &server{}
	routes := http.NewServeMux()
	routes.HandleFunc("GET /health", func(http.ResponseWriter, *http.Request) {})
	routes.HandleFunc("/v1/", func(writer http.ResponseWriter, request *http.Request) {
		if !allowed(request, settings.apiKeys) {
			answer(writer, http.StatusUnauthorized, "Unauthorized")
			return
		}
		// Counted before it is let in: a drain that begins now waits for it.
		made.running.Add(1)
		defer made.running.Add(-1)
		if request.Method == http.MethodPost && made.draining.Load() {
			answer(writer, http.StatusInternalServerError, "cannot schedule new futures after shutdown")
			return
		}
		proxy.ServeHTTP(&stallable{writer, request.Context(), &made.stalled}, request)
	})
	routes.Handle("/metrics", proxy)
	addControls(routes, made)
	made.http.Handler = http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
		if made.hung.Load() {
			<-request.Context().Done()
			return
		}
		routes.ServeHTTP(writer, request)
	})
	// uvicorn ends connections on which nothing comes; 5 s is vLLM's default.
	made.http.IdleTimeout = time.Duration(environment("VLLM_HTTP_TIMEOUT_KEEP_ALIVE", 5) * float64(time.Second))
	return made
}

func (s *server) serve(port int) {
	listener, err := listen(port)
	if err == nil {
		err = s.http.Serve(listener)
	}
	if err != http.ErrServerClosed {
		crash(err.Error())
	}
}

// shutDown does what vLLM does at SIGTERM. Without a timeout it stops listening at once and leaves running
// requests hanging: nothing more is sent, nothing is closed, and the process stays as long as their clients.
// With one it goes on answering, /health included, but refuses new work; what is not done in time hangs.
func (s *server) shutDown(timeoutSeconds int) {
	log.Printf("Shutting down, timeout %d s", timeoutSeconds)
	if timeoutSeconds > 0 {
		s.draining.Store(true)
		deadline := time.Now().Add(time.Duration(timeoutSeconds) * time.Second)
		for s.running.Load() > 0 && time.Now().Before(deadline) {
			time.Sleep(10 * time.Millisecond)
		}
	}
	s.stalled.Store(s.running.Load() > 0)
	_ = s.http.Shutdown(context.Background())
	log.Print("Shutdown complete")
}

func allowed(request *http.Request, keys []string) bool {
	token, _ := strings.CutPrefix(request.Header.Get("Authorization"), "Bearer ")
	return len(keys) == 0 || slices.Contains(keys, token)
}

func answer(writer http.ResponseWriter, status int, message string) {
	writer.Header().Set("Content-Type", "application/json")
	writer.WriteHeader(status)
	fmt.Fprintf(writer, `{"error": {"message": %q, "code": %d}}`, message, status)
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
