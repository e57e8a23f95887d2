package stream

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func sendReport(s *Server, body string, header http.Header) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", "/api/selftest", strings.NewReader(body))
	r.Host = "localhost:8080"
	for k, v := range header {
		r.Header[k] = v
	}
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	return w
}

func reports(t *testing.T, s *Server) []map[string]any {
	t.Helper()
	w := do(s.Handler(), "GET", "/api/selftest")
	var out struct {
		Reports []map[string]any `json:"reports"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &out); w.Code != http.StatusOK || err != nil || out.Reports == nil {
		t.Fatalf("status %d, %v: %s", w.Code, err, w.Body)
	}
	return out.Reports
}

func TestSelfTestReports(t *testing.T) {
	s := testServer(t)
	if got := reports(t, s); len(got) != 0 {
		t.Errorf("before the first: %v", got)
	}
	for i := range 20 {
		if w := sendReport(s, fmt.Sprintf(`{"id":"t%d","done":true,"latency_ms":{"p50":%d.5},"received":"never"}`, i, i), nil); w.Code != http.StatusOK {
			t.Fatalf("report %d: %d %s", i, w.Code, w.Body)
		}
	}
	got := reports(t, s)
	if len(got) != 16 || got[0]["id"] != "t19" || got[15]["id"] != "t4" {
		t.Errorf("%d reports, first %v, last %v; want t19 to t4", len(got), got[0]["id"], got[len(got)-1]["id"])
	}
	if got[0]["received"] != noon.Format(time.RFC3339) || fmt.Sprint(got[0]["latency_ms"]) != "map[p50:19.5]" {
		t.Errorf("the newest is %v", got[0])
	}
	// A later report of the same test takes its place, first in the row.
	sendReport(s, `{"id":"t10","done":false}`, nil)
	if got := reports(t, s); len(got) != 16 || got[0]["id"] != "t10" || got[0]["done"] != false || got[15]["id"] != "t4" {
		t.Errorf("after a second report: %d, first %v", len(got), got[0])
	}
}

func TestSelfTestRefuses(t *testing.T) {
	s := testServer(t)
	long := `{"id":"x","text":"` + strings.Repeat("x", maxBody) + `"}`
	for _, row := range []struct {
		name, body string
		header     http.Header
		status     int
		want       string
	}{
		{"nothing", "", nil, 400, "no JSON object"},
		{"no JSON", "id=x", nil, 400, "no JSON object"},
		{"null", "null", nil, 400, "no JSON object"},
		{"list", `[{"id":"x"}]`, nil, 400, "no JSON object"},
		{"two objects", `{"id":"x"}{"id":"y"}`, nil, 400, "no JSON object"},
		{"cut short", `{"id":"x"`, nil, 400, "no JSON object"},
		{"deep", `{"id":"x","a":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`, nil, 400, "no JSON object"},
		{"no id", `{"done":true}`, nil, 400, "has no id"},
		{"id is a number", `{"id":7}`, nil, 400, "has no id"},
		{"id is null", `{"id":null}`, nil, 400, "has no id"},
		{"empty id", `{"id":""}`, nil, 400, "has no id"},
		{"long id", `{"id":"` + strings.Repeat("i", 65) + `"}`, nil, 400, "has no id"},
		{"not UTF-8", "{\"id\":\"x\",\"a\":\"\xff\"}", nil, 400, "not UTF-8"},
		{"too long", long, nil, 413, "at most 65536 bytes"},
		{"another site's page", `{"id":"x"}`, http.Header{"Origin": {"http://evil.example"}}, 403, "another origin"},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := sendReport(s, row.body, row.header)
			var e errorJSON
			if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil || w.Code != row.status || !strings.Contains(e.Error, row.want) {
				t.Errorf("status %d, %v: %q; want %d and %q", w.Code, err, e.Error, row.status, row.want)
			}
		})
	}
	if w := do(s.Handler(), "PUT", "/api/selftest"); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD, POST" {
		t.Errorf("PUT: %d, Allow %q", w.Code, w.Header().Get("Allow"))
	}
	if got := reports(t, s); len(got) != 0 {
		t.Errorf("kept %v", got)
	}
}

// FuzzSelfTest: what is taken can be told again as JSON, with its id.
func FuzzSelfTest(f *testing.F) {
	for _, s := range []string{`{"id":"x"}`, `{"id":"x","a":[1,{"b":null}],"received":3}`, `{"id":7}`, `[]`, "{\"id\":\"\\ud800\"}", `{"id":"x"}x`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := parseSelfTest(body, noon)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("error of several lines: %q", err)
			}
			return
		}
		out, err := json.Marshal(selfTestsJSON{[]map[string]json.RawMessage{r.fields}})
		if err != nil {
			t.Fatal(err)
		}
		var back struct{ Reports []struct{ ID string } }
		if err := json.Unmarshal(out, &back); err != nil || r.id == "" {
			t.Errorf("%q is told as %q: %v", body, out, err)
		}
	})
}
