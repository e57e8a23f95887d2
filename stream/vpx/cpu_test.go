package vpx

import "testing"

func TestCPUUsed(t *testing.T) {
	for arch, want := range map[string]int{"amd64": -8, "arm64": -12} {
		if got := cpuUsed(arch); got != want {
			t.Errorf("%s: %d, want %d", arch, got, want)
		}
	}
}
