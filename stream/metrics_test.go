package stream

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"yfv2d/pipeline"
)

func scrape(t *testing.T, s *Server) string {
	t.Helper()
	w := do(s.Handler(), "GET", "/metrics")
	if w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func TestMetricsAreWellFormed(t *testing.T) {
	faults, err := promlint.New(strings.NewReader(scrape(t, testServer(t)))).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range faults {
		if strings.HasPrefix(f.Metric, "yfv2d_") {
			t.Errorf("%s: %s", f.Metric, f.Text)
		}
	}
}

// TestGoldenMetrics compares our own metrics; those of the runtime change from run to run.
func TestGoldenMetrics(t *testing.T) {
	all := scrape(t, testServer(t))
	var got bytes.Buffer
	for line := range strings.Lines(all) {
		if strings.Contains(line, "yfv2d_") {
			got.WriteString(line)
		}
	}
	for _, want := range []string{"go_goroutines", "process_open_fds", "process_resident_memory_bytes"} {
		if !strings.Contains(all, "\n"+want) {
			t.Errorf("%s is missing", want)
		}
	}
	path := filepath.Join("testdata", "metrics.txt")
	if *update {
		if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("%s differs; got\n%s", path, got.Bytes())
	}
}

func TestMetricsHoldTheWholeLedger(t *testing.T) {
	s := testServer(t)
	sums := map[string]float64{}
	send := func(d *prometheus.Desc, _ prometheus.ValueType, v float64, labels ...string) {
		if d == descFrames || d == descInFlight {
			sums[labels[1]] += v
		}
	}
	one := s.cameras.Load().byName["door"].Stats()
	for _, row := range []struct {
		name string
		st   pipeline.Stats
	}{{"one source", one}, {"two sources", twoSources()}} {
		clear(sums)
		frameMetrics("door", row.st, send)
		for side, captured := range map[string]uint64{"preview": row.st.Ledger.Captured, "detect": row.st.DetectLedger().Captured} {
			if sums[side] != float64(captured) {
				t.Errorf("%s: %s side sums up to %v of %d frames", row.name, side, sums[side], captured)
			}
		}
	}
}

func TestMetricsOfCameraStates(t *testing.T) {
	body := scrape(t, testServer(t))
	for _, want := range []string{`yfv2d_objects{camera="door"} 3`, `yfv2d_camera_up{camera="yard"} 0`, `yfv2d_camera_state{camera="yard",state="retrying"} 1`} {
		if !strings.Contains(body, want+"\n") {
			t.Errorf("no line %s", want)
		}
	}
}
