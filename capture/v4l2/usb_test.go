package v4l2

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestDriverless reads a made-up /sys: a webcam with its driver, one without, one without a name, and a disk.
func TestDriverless(t *testing.T) {
	p := places{sys: t.TempDir()}
	if found := p.driverless(); len(found) != 0 {
		t.Errorf("without a bus: %q", found)
	}
	bus := filepath.Join(p.sys, "bus/usb/devices")
	write := func(device string, attributes map[string]string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Join(bus, device), 0o755); err != nil {
			t.Fatal(err)
		}
		for name, text := range attributes {
			if err := os.WriteFile(filepath.Join(bus, device, name), []byte(text+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	control := map[string]string{"bInterfaceClass": "0e", "bInterfaceSubClass": "01"}
	write("1-1", map[string]string{"idVendor": "046d", "idProduct": "082d", "product": "HD Pro Webcam C920"})
	write("1-1:1.0", control)
	write("1-1:1.1", map[string]string{"bInterfaceClass": "0e", "bInterfaceSubClass": "02"}) // its streaming interface
	write("1-2", map[string]string{"idVendor": "0ac8", "idProduct": "3450"})
	write("1-2:1.0", control)
	write("1-3", map[string]string{"idVendor": "046d", "idProduct": "0825", "product": "Works"})
	write("1-3:1.0", control)
	write("1-3:1.0/driver", nil)
	write("1-4", map[string]string{"idVendor": "0781", "idProduct": "5567", "product": "Disk"})
	write("1-4:1.0", map[string]string{"bInterfaceClass": "08", "bInterfaceSubClass": "06"})
	if got, want := p.driverless(), []string{"HD Pro Webcam C920 (USB 046d:082d)", "USB 0ac8:3450"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
