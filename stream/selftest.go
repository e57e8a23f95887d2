package stream

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"
	"unicode/utf8"
)

const (
	// keptReports is how many self-tests are remembered; each takes at most maxBody bytes.
	keptReports = 16
	// maxReportID is the bytes of a report's id.
	maxReportID = 64
)

// selfTests are the newest reports of pages that measured what they show. Safe from any goroutine.
type selfTests struct {
	mu      sync.Mutex
	reports []selfTest // newest first; guarded by mu
}

// selfTest is what one page reported last.
type selfTest struct {
	id     string
	fields map[string]json.RawMessage // as sent, and when it was received; never changed
}

type receivedJSON struct {
	Received time.Time `json:"received"`
}

type selfTestsJSON struct {
	Reports []map[string]json.RawMessage `json:"reports"`
}

// add puts a report first. A page reports several times under one id: the newest report takes the place of the others.
func (s *selfTests) add(r selfTest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reports = slices.DeleteFunc(s.reports, func(old selfTest) bool { return old.id == r.id })
	s.reports = slices.Insert(s.reports, 0, r)
	s.reports = s.reports[:min(len(s.reports), keptReports)]
}

func (s *selfTests) list() []map[string]json.RawMessage {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]map[string]json.RawMessage, 0, len(s.reports))
	for _, r := range s.reports {
		out = append(out, r.fields)
	}
	return out
}

// parseSelfTest reads a report: a JSON object with an id, and whatever else the page has to say.
func parseSelfTest(body []byte, now time.Time) (selfTest, error) {
	var r selfTest
	if !utf8.Valid(body) {
		return r, errors.New("the report is not UTF-8")
	}
	if !bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("{")) || json.Unmarshal(body, &r.fields) != nil {
		return r, errors.New(`the report is no JSON object; want {"id":"NAME", ...}`)
	}
	if json.Unmarshal(r.fields["id"], &r.id) != nil || r.id == "" || len(r.id) > maxReportID {
		return r, fmt.Errorf(`the report has no id; want {"id":"NAME", ...} with a name of at most %d bytes`, maxReportID)
	}
	received, err := json.Marshal(stamp(now))
	if err != nil {
		return r, err
	}
	r.fields["received"] = received
	return r, nil
}

// serveSelfTest takes a page's report (POST) and tells those there are (GET).
func (s *Server) serveSelfTest(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		writeJSON(w, http.StatusOK, selfTestsJSON{s.selfTests.list()})
		return
	case http.MethodPost:
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		writeError(w, http.StatusMethodNotAllowed, fmt.Sprintf("method %s is not for this address; use GET or POST", quote(r.Method)))
		return
	}
	body, err := io.ReadAll(r.Body)
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		writeError(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("the report is too long: at most %d bytes", tooLarge.Limit))
		return
	}
	if err != nil {
		writeError(w, http.StatusBadRequest, "the report did not come through: "+err.Error())
		return
	}
	now := s.now()
	report, err := parseSelfTest(body, now)
	if err != nil {
		writeError(w, http.StatusBadRequest, err.Error())
		return
	}
	s.selfTests.add(report)
	writeJSON(w, http.StatusOK, receivedJSON{stamp(now)})
}
