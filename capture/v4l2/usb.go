package v4l2

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// videoClass and videoControl are the class and subclass of the USB interface that every standard webcam has (USB Video Class, A.1 and A.2).
const videoClass, videoControl = "0e", "01"

// Driverless names the webcams on the USB bus that no driver has taken, so that there is no /dev/video for them.
func Driverless() []string { return machine.driverless() }

func (p places) driverless() []string {
	var found []string
	interfaces, err := filepath.Glob(filepath.Join(p.sys, "bus/usb/devices/*:*")) // "1-1.2:1.0" of device "1-1.2"
	if err != nil {
		return nil
	}
	for _, dir := range interfaces {
		bus, name := filepath.Split(dir)
		if attribute(bus, name, "bInterfaceClass") != videoClass || attribute(bus, name, "bInterfaceSubClass") != videoControl {
			continue
		}
		if _, err := os.Stat(filepath.Join(dir, "driver")); err == nil {
			continue
		}
		found = append(found, p.usbName(name))
	}
	slices.Sort(found)
	return found
}

// usbName is what the device of an interface calls itself.
func (p places) usbName(iface string) string {
	bus := filepath.Join(p.sys, "bus/usb/devices")
	device, _, _ := strings.Cut(iface, ":")
	id := attribute(bus, device, "idVendor") + ":" + attribute(bus, device, "idProduct")
	if product := attribute(bus, device, "product"); product != "" {
		return product + " (USB " + id + ")"
	}
	return "USB " + id
}
