package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"time"
)

// settings are the flags and variables that the test engine acts on; the others are read and forgotten.
type settings struct {
	model           string
	servedNames     []string
	apiKeys         []string
	loraModules     []string // as JSON
	passedOn        []string // what the simulator is told as it was written
	host            string
	port            int
	worldSize       int
	maxModelLen     int
	maxNumSeqs      int
	shutdownTimeout time.Duration
}

// autoModelLen is the length that "auto" finds.
const autoModelLen = 32768

// units of vLLM's numbers for people: 8k is 8000, 8K is 8192.
var units = map[byte]float64{
	'k': 1e3, 'K': 1 << 10, 'm': 1e6, 'M': 1 << 20, 'g': 1e9, 'G': 1 << 30, 't': 1e12, 'T': 1 << 40,
}

func resolve(positional []string, values map[string][]string) (*settings, error) {
	result := &settings{servedNames: values["served-model-name"], apiKeys: values["api-key"], host: "0.0.0.0"}
	if key := os.Getenv("VLLM_API_KEY"); key != "" && len(result.apiKeys) == 0 {
		result.apiKeys = []string{key}
	}
	if len(positional) == 0 {
		return nil, fmt.Errorf("the model is missing: write it after `serve`")
	}
	result.model = positional[0]
	if len(result.servedNames) == 0 {
		result.servedNames = []string{result.model}
	}
	if host := values["host"]; len(host) > 0 {
		result.host = host[0]
	}
	var tensor, pipeline, seconds int
	for _, number := range []struct {
		flag      string
		target    *int
		otherwise int
	}{
		{"port", &result.port, 8000},
		{"tensor-parallel-size", &tensor, 1},
		{"pipeline-parallel-size", &pipeline, 1},
		{"max-num-seqs", &result.maxNumSeqs, 256},
		{"shutdown-timeout", &seconds, 0},
	} {
		*number.target = number.otherwise
		if given := values[number.flag]; len(given) > 0 {
			value, err := strconv.Atoi(given[0])
			if err != nil {
				return nil, fmt.Errorf("argument --%s: invalid int value: '%s'", number.flag, given[0])
			}
			*number.target = value
		}
	}
	result.worldSize = tensor * pipeline
	result.shutdownTimeout = time.Duration(seconds) * time.Second
	var err error
	if result.maxModelLen, err = modelLen(values["max-model-len"]); err != nil {
		return nil, err
	}
	if result.loraModules, err = loraModules(values["lora-modules"]); err != nil {
		return nil, err
	}
	for _, flag := range []string{"max-loras", "max-cpu-loras"} {
		if given := values[flag]; len(given) > 0 {
			result.passedOn = append(result.passedOn, "--"+flag+"="+given[0])
		}
	}
	if blocks := values["num-gpu-blocks-override"]; len(blocks) > 0 {
		result.passedOn = append(result.passedOn, "--enable-kvcache", "--kv-cache-size="+blocks[0])
		if size := values["block-size"]; len(size) > 0 {
			result.passedOn = append(result.passedOn, "--block-size="+size[0])
		}
	}
	return result, nil
}

// modelLen reads 8192, 8k, 8K, auto and -1.
func modelLen(given []string) (int, error) {
	if len(given) == 0 || given[0] == "auto" || given[0] == "-1" {
		return autoModelLen, nil
	}
	digits, factor := given[0], 1.0
	if size := len(digits); size > 0 && units[digits[size-1]] > 0 {
		digits, factor = digits[:size-1], units[digits[size-1]]
	}
	value, err := strconv.ParseFloat(digits, 64)
	// A decimal point needs a unit: 1.5k is 1500 tokens.
	if err != nil || (factor == 1 && value != math.Trunc(value)) {
		return 0, fmt.Errorf("argument --max-model-len: invalid human_readable_int_or_auto value: '%s'", given[0])
	}
	return int(value * factor), nil
}

// loraModules reads name=path or {"name": …, "path": …}, and returns the latter.
func loraModules(given []string) ([]string, error) {
	var result []string
	for _, item := range given {
		var module struct {
			Name string `json:"name"`
			Path string `json:"path"`
		}
		name, path, isPair := strings.Cut(item, "=")
		if strings.HasPrefix(item, "{") {
			if err := json.Unmarshal([]byte(item), &module); err != nil || module.Name == "" || module.Path == "" {
				return nil, fmt.Errorf("Invalid JSON format for --lora-modules: %s", item)
			}
		} else if module.Name, module.Path = name, path; !isPair {
			return nil, fmt.Errorf("Invalid item for --lora-modules: %s is neither name=path nor JSON", item)
		}
		encoded, err := json.Marshal(module)
		if err != nil {
			return nil, err
		}
		result = append(result, string(encoded))
	}
	return result, nil
}

// duration reads an environment variable that is a number of seconds.
func duration(name, otherwise string) (time.Duration, error) {
	value, err := strconv.ParseFloat(text(name, otherwise), 64)
	if err != nil || value < 0 || value > math.MaxInt32 {
		return 0, fmt.Errorf("ValueError: %s is '%s': a number of seconds is expected", name, os.Getenv(name))
	}
	return time.Duration(value * float64(time.Second)), nil
}

func text(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}
