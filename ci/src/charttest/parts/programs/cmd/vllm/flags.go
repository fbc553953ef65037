package main

import (
	"fmt"
	"regexp"
	"strings"
)

var negativeNumber = regexp.MustCompile(`^-(\d+|\d*\.\d+)$`)

// parse reads the arguments after `vllm` as argparse would; the error is argparse's message.
func parse(arguments []string, tablePath string) (*settings, error) {
	if len(arguments) == 0 || arguments[0] != "serve" {
		return nil, fmt.Errorf("argument subparser: the test engine knows `serve` only")
	}
	spellings, err := readTable(tablePath)
	if err != nil {
		return nil, err
	}
	var positional, unknown []string
	values := map[string][]string{}
	rest := arguments[1:]
	for len(rest) > 0 {
		argument := rest[0]
		rest = rest[1:]
		if !isOption(argument) {
			if len(positional) == 0 {
				positional = []string{argument}
			} else {
				unknown = append(unknown, argument)
			}
			continue
		}
		name, inline, hasInline := strings.Cut(argument, "=")
		flag, how, err := find(name, spellings)
		if err != nil {
			return nil, err
		}
		if flag == "" {
			unknown = append(unknown, argument)
			continue
		}
		var given []string
		if hasInline {
			given = []string{inline}
		} else {
			given, rest = take(rest, how)
		}
		switch {
		case how == none && hasInline:
			return nil, fmt.Errorf("argument %s: ignored explicit argument '%s'", name, inline)
		case how == several && len(given) == 0:
			return nil, fmt.Errorf("argument %s: expected at least one argument", name)
		case how != none && len(given) == 0:
			return nil, fmt.Errorf("argument %s: expected one argument", name)
		}
		values[flag] = given
	}
	if len(unknown) > 0 {
		return nil, fmt.Errorf("unrecognized arguments: %s", strings.Join(unknown, " "))
	}
	if len(positional) == 0 {
		positional = values["model"]
	}
	return resolve(positional, values)
}

// take returns the values of a flag that is spelled like this, and what follows them.
func take(rest []string, how spelling) (given, following []string) {
	most := map[spelling]int{none: 0, one: 1, document: 1, several: len(rest)}[how]
	for len(given) < most && len(rest) > 0 && !isOption(rest[0]) {
		given, rest = append(given, rest[0]), rest[1:]
	}
	return given, rest
}

func isOption(argument string) bool {
	return strings.HasPrefix(argument, "-") && argument != "-" && !negativeNumber.MatchString(argument)
}
