package pipeline

import "math"

// ink is one colour in both of the pixel formats that frames have.
type ink struct {
	b, g, r uint8
	y, u, v uint8 // BT.601 limited range
}

func newInk(r, g, b float64) ink {
	at := func(v float64) uint8 { return uint8(math.Round(min(max(v, 0), 255))) }
	return ink{
		b: at(b), g: at(g), r: at(r),
		y: at(16 + (65.738*r+129.057*g+25.064*b)/256),
		u: at(128 + (-37.945*r-74.494*g+112.439*b)/256),
		v: at(128 + (112.439*r-94.154*g-18.285*b)/256),
	}
}

// textInk is the colour of letters, on a label of the class's colour.
var textInk = newInk(12, 14, 18)

const (
	// goldenTurn, a fraction of the colour wheel, puts any few classes that follow each other far apart in hue.
	goldenTurn = 0.61803398875
	firstHue   = 0.36 // class 0, a person in most models, is green
	// Luma 0..255 of class colours: bright enough to be read on dark ground and under near-black text.
	minLuma, maxLuma = 135, 205
)

// classInk is a class's colour, the same in every run and for every model.
func classInk(class int) ink {
	_, hue := math.Modf(firstHue + goldenTurn*float64(class))
	saturation := []float64{0.92, 0.62, 0.78}[class/12%3]
	r, g, b := fromHue(hue, saturation)
	luma := 0.299*r + 0.587*g + 0.114*b
	switch {
	case luma < minLuma: // towards white
		k := (minLuma - luma) / (255 - luma)
		r, g, b = r+(255-r)*k, g+(255-g)*k, b+(255-b)*k
	case luma > maxLuma:
		k := maxLuma / luma
		r, g, b = r*k, g*k, b*k
	}
	return newInk(r, g, b)
}

// fromHue turns hue 0..1 and saturation 0..1 at full value into red, green and blue 0..255 (the HSV model).
func fromHue(hue, saturation float64) (r, g, b float64) {
	channel := func(shift float64) float64 {
		k := math.Mod(shift+hue*6, 6)
		return 255 * (1 - saturation*max(0, min(k, 4-k, 1)))
	}
	return channel(5), channel(3), channel(1)
}
