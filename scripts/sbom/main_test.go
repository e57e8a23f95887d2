package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// TestBill makes the bill of this very test program, twice.
func TestBill(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	libraries := filepath.Join(t.TempDir(), "libraries")
	if err := os.WriteFile(libraries, []byte("libopencv-core406 4.6.0+dfsg-12\nlibyuv0 0.0~git1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	bill := func() []byte {
		var b bytes.Buffer
		if err := run(&b, program, "1.2+deb12", "arm64", "bookworm", libraries, "../../THIRD_PARTY_NOTICES"); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	first := bill()
	if !bytes.Equal(first, bill()) {
		t.Error("two bills of one program differ")
	}
	var b bom
	if err := json.Unmarshal(first, &b); err != nil {
		t.Fatal(err)
	}
	last := b.Components[len(b.Components)-2]
	if want := "pkg:deb/debian/libopencv-core406@4.6.0+dfsg-12?arch=arm64&distro=bookworm"; last.PURL != want {
		t.Errorf("a library is %q, want %q", last.PURL, want)
	}
	if len(b.Dependencies) != 1 || len(b.Dependencies[0].DependsOn) != len(b.Components) || b.Metadata.Timestamp != "2023-11-14T22:13:20Z" {
		t.Errorf("the bill says %s", first)
	}
}

func TestLicenceTable(t *testing.T) {
	notices, err := lines("../../THIRD_PARTY_NOTICES")
	if err != nil {
		t.Fatal(err)
	}
	got := licenceTable(notices)
	for module, want := range map[string]string{"gocv.io/x/gocv": "Apache-2.0", "github.com/golang/freetype": "FTL", "go.yaml.in/yaml/v3": "MIT AND Apache-2.0"} {
		if got[module] != want {
			t.Errorf("%s has the licence %q, want %q", module, got[module], want)
		}
	}
}

func TestBillOfNothing(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1")
	if err := run(&bytes.Buffer{}, "main.go", "1", "amd64", "trixie", "main.go", "main.go"); err == nil {
		t.Error("a text has modules")
	}
}
