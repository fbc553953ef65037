package main

import (
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"
)

// settings are the flags that the test engine acts on; the others are read and forgotten.
type settings struct {
	model           string
	servedNames     []string
	apiKeys         []string
	port            int
	worldSize       int
	maxModelLen     int
	maxNumSeqs      int
	shutdownTimeout int // seconds
}

// table is every flag by its spelling, as the chart's engine file lists them.
type table struct {
	Switches, TrueOnly, Lists, Repeated, JSON, Values []string
}

// short names of vLLM 0.33's parser.
var short = map[string]string{
	"-tp": "tensor-parallel-size", "-pp": "pipeline-parallel-size", "-dp": "data-parallel-size",
	"-dpn": "data-parallel-rank", "-dpr": "data-parallel-start-rank", "-dpl": "data-parallel-size-local",
	"-dpa": "data-parallel-address", "-dpp": "data-parallel-rpc-port", "-dpb": "data-parallel-backend",
	"-dph": "data-parallel-hybrid-lb", "-dpe": "data-parallel-external-lb", "-ep": "enable-expert-parallel",
	"-n": "nnodes", "-r": "node-rank", "-q": "quantization", "-asc": "api-server-count",
	"-cc": "compilation-config", "-sc": "speculative-config", "-dcp": "decode-context-parallel-size",
	"-ac": "attention-config", "-dc": "diffusion-config", "-pcp": "prefill-context-parallel-size",
	"-dpm": "data-parallel-multi-port-external-lb",
}

func flagsFile() string {
	if path := os.Getenv("TEST_ENGINE_FLAGS"); path != "" {
		return path
	}
	return "/etc/test-engine/flags.json"
}

// spelling says how a flag takes its value.
type spelling int

const (
	none spelling = iota
	one
	several
)

// parse reads the arguments after `vllm` as argparse would; the error is argparse's message.
func parse(arguments []string, tablePath string) (*settings, error) {
	if len(arguments) == 0 || arguments[0] != "serve" {
		return nil, fmt.Errorf("argument subparser: the test engine knows `serve` only")
	}
	spellings, err := readTable(tablePath)
	if err != nil {
		return nil, err
	}
	values, positional := map[string][]string{}, []string{}
	var unknown []string
	rest := arguments[1:]
	for len(rest) > 0 {
		argument := rest[0]
		rest = rest[1:]
		if !strings.HasPrefix(argument, "-") || argument == "-" {
			positional = append(positional, argument)
			continue
		}
		name, inline, hasInline := strings.Cut(argument, "=")
		flag, how, problem := find(name, spellings)
		if problem != "" {
			return nil, fmt.Errorf("%s", problem)
		}
		if flag == "" {
			unknown = append(unknown, argument)
			continue
		}
		given := []string{}
		if hasInline {
			given = append(given, inline)
		}
		for how != none && !hasInline && len(rest) > 0 && !strings.HasPrefix(rest[0], "--") {
			given, rest = append(given, rest[0]), rest[1:]
			if how == one {
				break
			}
		}
		if how == none && hasInline {
			return nil, fmt.Errorf("argument %s: ignored explicit argument '%s'", name, inline)
		}
		if how != none && len(given) == 0 {
			return nil, fmt.Errorf("argument %s: expected %s", name, map[spelling]string{one: "one argument", several: "at least one argument"}[how])
		}
		values[flag] = given
	}
	if len(positional) > 1 {
		unknown = append(unknown, positional[1:]...)
	}
	if len(unknown) > 0 {
		return nil, fmt.Errorf("unrecognized arguments: %s", strings.Join(unknown, " "))
	}
	if model := values["model"]; len(positional) == 0 && len(model) > 0 {
		positional = model
	}
	return resolve(positional, values)
}

func resolve(positional []string, values map[string][]string) (*settings, error) {
	result := &settings{servedNames: values["served-model-name"], apiKeys: values["api-key"]}
	if key := os.Getenv("VLLM_API_KEY"); key != "" && len(result.apiKeys) == 0 {
		result.apiKeys = []string{key}
	}
	if len(positional) == 0 {
		return nil, fmt.Errorf("With `vllm serve`, you should provide the model as a positional argument")
	}
	result.model = positional[0]
	if len(result.servedNames) == 0 {
		result.servedNames = []string{result.model}
	}
	var tensor, pipeline int
	for _, number := range []struct {
		flag      string
		target    *int
		otherwise int
	}{
		{"port", &result.port, 8000},
		{"tensor-parallel-size", &tensor, 1},
		{"pipeline-parallel-size", &pipeline, 1},
		{"max-num-seqs", &result.maxNumSeqs, 256},
		{"max-model-len", &result.maxModelLen, 32768},
		{"shutdown-timeout", &result.shutdownTimeout, 0},
	} {
		*number.target = number.otherwise
		if text := values[number.flag]; len(text) > 0 {
			value, err := integer(text[0])
			if err != nil {
				return nil, fmt.Errorf("argument --%s: invalid int value: '%s'", number.flag, text[0])
			}
			*number.target = value
		}
	}
	if result.maxModelLen <= 0 { // auto
		result.maxModelLen = 32768
	}
	result.worldSize = tensor * pipeline
	return result, nil
}

// integer reads 8192, 8k (8000), 8K (8192) and auto.
func integer(text string) (int, error) {
	if text == "auto" {
		return -1, nil
	}
	factor := map[byte]int{'k': 1000, 'K': 1024, 'm': 1000000, 'M': 1 << 20}
	if unit := factor[text[max(len(text)-1, 0)]]; text != "" && unit > 0 {
		value, err := strconv.ParseFloat(text[:len(text)-1], 64)
		return int(value * float64(unit)), err
	}
	return strconv.Atoi(text)
}

func readTable(path string) (map[string]spelling, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var flags table
	if err := json.Unmarshal(content, &flags); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	found := map[string]spelling{}
	for _, name := range flags.Switches {
		found[name], found["no-"+name] = none, none
		if rest, is := strings.CutPrefix(name, "enable-"); is {
			found["disable-"+rest] = none
		}
		if rest, is := strings.CutPrefix(name, "disable-"); is {
			found["enable-"+rest] = none
		}
	}
	for how, names := range map[spelling][]string{
		none: flags.TrueOnly, one: append(append(flags.Repeated, flags.JSON...), flags.Values...), several: flags.Lists,
	} {
		for _, name := range names {
			found[name] = how
		}
	}
	return found, nil
}

// find looks up a flag by its name, its short name, a dotted name, or an unambiguous beginning.
func find(given string, spellings map[string]spelling) (string, spelling, string) {
	if name, is := short[given]; is {
		return name, spellings[name], ""
	}
	if strings.HasPrefix(given, "-O") {
		return "optimization-level", none, ""
	}
	name, isLong := strings.CutPrefix(given, "--")
	if !isLong {
		return "", none, ""
	}
	name = strings.ReplaceAll(name, "_", "-")
	if head, _, dotted := strings.Cut(name, "."); dotted {
		_, known := spellings[head]
		if known {
			return name, one, ""
		}
		return "", none, ""
	}
	if how, known := spellings[name]; known {
		return name, how, ""
	}
	var matches []string
	for known := range spellings {
		if strings.HasPrefix(known, name) {
			matches = append(matches, known)
		}
	}
	sort.Strings(matches)
	switch len(matches) {
	case 0:
		return "", none, ""
	case 1:
		return matches[0], spellings[matches[0]], ""
	}
	return "", none, fmt.Sprintf("ambiguous option: %s could match --%s", given, strings.Join(matches, ", --"))
}
