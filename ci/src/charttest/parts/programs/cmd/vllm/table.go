package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
)

// table is every flag by its kind, as the chart's engine file lists them.
type table struct {
	Switches, TrueOnly, Lists, Repeated, JSON, Values []string
}

// spelling says how a flag takes its value.
type spelling int

const (
	none spelling = iota
	one
	document // one, which may also be given key by key: --x.key value
	several
)

// secondName is the one long name of vLLM 0.33's parser that the engine file does not list.
const secondName = "device-memory-utilization"

// aliases are the short names of that parser.
var aliases = map[string]string{
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
	return text("TEST_ENGINE_FLAGS", "/etc/test-engine/flags.json")
}

// readTable returns how each flag takes its value; a switch has a name that turns it off, too.
func readTable(path string) (map[string]spelling, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var flags table
	if err := json.Unmarshal(content, &flags); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	found := map[string]spelling{secondName: one}
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
		none: flags.TrueOnly, one: append(flags.Repeated, flags.Values...), document: flags.JSON, several: flags.Lists,
	} {
		for _, name := range names {
			found[name] = how
		}
	}
	return found, nil
}

// find looks up a flag by its name, its alias, a dotted name, or an unambiguous beginning. No name: there is none.
func find(given string, spellings map[string]spelling) (string, spelling, error) {
	if strings.HasPrefix(given, "-O") {
		return "optimization-level", none, nil
	}
	head, key, dotted := strings.Cut(given, ".")
	name, isAlias := aliases[head]
	if !isAlias {
		long, isLong := strings.CutPrefix(head, "--")
		if !isLong {
			return "", none, nil
		}
		name = strings.ReplaceAll(long, "_", "-")
	}
	if dotted {
		if spellings[name] != document {
			return "", none, nil
		}
		return name + "." + key, one, nil
	}
	if how, known := spellings[name]; known {
		return name, how, nil
	}
	var matches []string
	for known := range spellings {
		if strings.HasPrefix(known, name) {
			matches = append(matches, known)
		}
	}
	switch len(matches) {
	case 0:
		return "", none, nil
	case 1:
		return matches[0], spellings[matches[0]], nil
	}
	slices.Sort(matches)
	return "", none, fmt.Errorf("ambiguous option: %s could match --%s", given, strings.Join(matches, ", --"))
}
