package stream

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"testing"
)

// The JSON in docs/api-http.md is what the golden files hold, and so what the server says.
func TestDocsShowTheGoldens(t *testing.T) {
	text, err := os.ReadFile("../docs/api-http.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)<!-- (\\S+\\.json) -->\n```json\n(.*?)```").FindAllSubmatch(text, -1)
	if len(blocks) < 4 {
		t.Fatalf("%d JSON shapes in the document", len(blocks))
	}
	for _, b := range blocks {
		golden, err := os.ReadFile(filepath.Join("testdata", string(b[1])))
		if err != nil {
			t.Error(err)
			continue
		}
		var want, got any
		if err := json.Unmarshal(golden, &want); err != nil {
			t.Errorf("%s: %v", b[1], err)
		}
		if err := json.Unmarshal(b[2], &got); err != nil {
			t.Errorf("%s in the document: %v", b[1], err)
		}
		if !reflect.DeepEqual(want, got) {
			t.Errorf("%s in the document differs from testdata/%s", b[1], b[1])
		}
	}
}
