// Command testsum reads the output of `go test -json` on standard input, prints a line for each package and all output of
// what failed, and closes with how many tests ran and how many were skipped for want of which data.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
)

// event is one line of `go test -json` (see `go doc test2json`).
type event struct {
	Action      string
	Package     string
	ImportPath  string // on build output and failures
	Test        string
	Elapsed     float64
	Output      string
	FailedBuild string
}

type key struct{ pkg, test string }

type summary struct {
	passed, failed, skipped int
	output                  map[key][]string
	wants                   map[string]int // reason of a skip -> tests
	broken                  []string       // packages that failed without a failed test: build, panic, timeout
	failedIn                map[string]bool
}

// skipReason finds the text of t.Skip in a skipped test's output: "file.go:12: no shared data: models".
var skipReason = regexp.MustCompile(`(?m)^\s+\S+\.go:\d+: (.*)$`)

func main() {
	s := summary{output: map[key][]string{}, wants: map[string]int{}, failedIn: map[string]bool{}}
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 16<<20)
	for in.Scan() {
		var e event
		if json.Unmarshal(in.Bytes(), &e) != nil {
			fmt.Println(in.Text()) // go's own words, outside any test
			continue
		}
		s.take(e)
	}
	if err := in.Err(); err != nil {
		fmt.Fprintln(os.Stderr, "testsum: read go test -json:", err)
		os.Exit(1)
	}
	os.Exit(s.close())
}

func (s *summary) take(e event) {
	k := key{e.Package, e.Test}
	switch e.Action {
	case "output":
		s.output[k] = append(s.output[k], e.Output)
	case "build-output":
		fmt.Print(e.Output)
	case "pass", "fail", "skip":
		if e.Test == "" {
			s.endPackage(e)
		} else {
			s.endTest(e)
		}
		delete(s.output, k)
	}
}

func (s *summary) endTest(e event) {
	out := strings.Join(s.output[key{e.Package, e.Test}], "")
	switch e.Action {
	case "pass":
		s.passed++
	case "skip":
		s.skipped++
		reason := "no reason given"
		if m := skipReason.FindStringSubmatch(out); m != nil {
			reason = m[1]
		}
		s.wants[reason]++
	case "fail":
		s.failed++
		s.failedIn[e.Package] = true
		fmt.Printf("--- FAIL %s %s\n%s", e.Package, e.Test, out)
	}
}

func (s *summary) endPackage(e event) {
	switch {
	case e.Action == "pass":
		fmt.Printf("ok    %-28s %6.1f s\n", e.Package, e.Elapsed)
	case e.Action == "fail":
		if !s.failedIn[e.Package] {
			s.broken = append(s.broken, e.Package)
			fmt.Print(strings.Join(s.output[key{e.Package, ""}], ""))
		}
		fmt.Printf("FAIL  %-28s %6.1f s\n", e.Package, e.Elapsed)
	}
}

// close prints the summary and returns the exit code.
func (s *summary) close() int {
	for _, reason := range slices.Sorted(maps.Keys(s.wants)) {
		fmt.Printf("skipped: %d for: %s\n", s.wants[reason], reason)
	}
	for _, pkg := range s.broken {
		fmt.Printf("broken: %s did not build or did not finish\n", pkg)
	}
	failed := s.failed + len(s.broken)
	fmt.Printf("%d passed, %d failed, %d skipped\n", s.passed, failed, s.skipped)
	if failed > 0 || s.passed == 0 {
		return 1
	}
	return 0
}
