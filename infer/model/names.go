package model

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// cocoNames are the 80 classes of COCO, spelled as the Darknet tools and the network's authors do.
var cocoNames = strings.Split("person,bicycle,car,motorbike,aeroplane,bus,train,truck,boat,traffic light,fire hydrant,stop sign,"+
	"parking meter,bench,bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe,backpack,umbrella,handbag,tie,suitcase,frisbee,"+
	"skis,snowboard,sports ball,kite,baseball bat,baseball glove,skateboard,surfboard,tennis racket,bottle,wine glass,cup,fork,"+
	"knife,spoon,bowl,banana,apple,sandwich,orange,broccoli,carrot,hot dog,pizza,donut,cake,chair,sofa,pottedplant,bed,"+
	"diningtable,toilet,tvmonitor,laptop,mouse,remote,keyboard,cell phone,microwave,oven,toaster,sink,refrigerator,book,clock,"+
	"vase,scissors,teddy bear,hair drier,toothbrush", ",")

// CocoNames are the 80 classes of COCO, in order.
func CocoNames() []string { return append([]string(nil), cocoNames...) }

// parseNames reads a names file: one class a line, blank lines and the byte order mark ignored.
func parseNames(data []byte) ([]string, error) {
	if len(data) > 1<<20 {
		return nil, errors.New("over 1 MB long; expected one class name a line")
	}
	var names []string
	for _, line := range strings.Split(strings.TrimPrefix(string(data), "\ufeff"), "\n") {
		if line = strings.TrimSpace(line); line != "" {
			names = append(names, line)
		}
	}
	return names, checkClasses(names)
}

func checkClasses(names []string) error {
	if len(names) == 0 || len(names) > maxClasses {
		return fmt.Errorf("%d class names; expected 1 to %d", len(names), maxClasses)
	}
	seen := make(map[string]bool, len(names))
	for i, s := range names {
		if s == "" || len(s) > 100 || !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return fmt.Errorf("class %d is named %.40q; expected a short line of UTF-8 text", i, s)
		}
		if seen[s] {
			return fmt.Errorf("class %d: %.40q stands twice", i, s)
		}
		seen[s] = true
	}
	return nil
}

// defaultNames are used when the user gives no names file; the warning says what was assumed.
func defaultNames(classes int) (names []string, warning string) {
	if classes == len(cocoNames) {
		return CocoNames(), ""
	}
	for i := range classes {
		names = append(names, "class"+strconv.Itoa(i))
	}
	return names, fmt.Sprintf("the network has %d classes and no names file was given: they are called class0 to class%d (use --names FILE)", classes, classes-1)
}
