package main

import (
	"image"
	"image/color"
	"math"

	"gocv.io/x/gocv"

	"yfv2d/yuv"
)

// scene says where things stand in a clip, in its pixels.
type scene struct {
	size       image.Point
	park       float64 // enlargement of the background picture
	parkTop    float64 // rows of the enlarged picture above the frame
	parkSway   float64 // how far it moves to either side
	scale      float64 // enlargement of the astronaut
	x          float64 // of the middle of her picture
	sway, bob  float64 // how far she moves to either side, and up and down
	breathe    float64 // part by which she comes nearer
	sink       float64 // pixels of her picture below the frame's edge, so that bob never shows it
	blur       float64 // of the background, sigma
	backOffset float64 // columns of the enlarged picture left of the frame
}

var (
	small = scene{size: image.Pt(640, 480), park: 1.08, parkTop: 26, parkSway: 5, scale: 0.56, x: 488, sway: 38, bob: 3,
		breathe: 0.05, sink: 14, blur: 0.6, backOffset: 6}
	large = scene{size: image.Pt(1280, 720), park: 2.0, parkTop: 80, parkSway: 10, scale: 1.0, x: 940, sway: 90, bob: 5,
		breathe: 0.06, sink: 30, blur: 1.1, backOffset: 12}
)

// stage holds the pictures of a scene. Mats are freed by close.
type stage struct {
	scene
	back      gocv.Mat // tinted background, wider than the frame
	astronaut gocv.Mat
	mask      gocv.Mat // of the astronaut
	frame     gocv.Mat
	layer     gocv.Mat // the moved astronaut
	alpha     gocv.Mat // the moved mask
}

func newStage(s scene, data string) (*stage, error) {
	photo, err := readPicture(data, "camera.png", pictureSize)
	if err != nil {
		return nil, err
	}
	defer photo.Close()
	astronaut, err := readPicture(data, "astronaut.png", pictureSize)
	if err != nil {
		return nil, err
	}
	tint(&photo)
	return &stage{
		scene: s, back: s.background(photo), astronaut: astronaut, mask: cutout(astronaut, astronautShape, 5),
		frame: gocv.NewMat(), layer: gocv.NewMat(), alpha: gocv.NewMat(),
	}, nil
}

func (s *stage) close() {
	for _, m := range []*gocv.Mat{&s.back, &s.astronaut, &s.mask, &s.frame, &s.layer, &s.alpha} {
		_ = m.Close()
	}
}

// tint colours the grey photograph as one did by hand: every region gets a colour that its greys are multiplied with, so
// that what is dark stays dark.
func tint(photo *gocv.Mat) {
	wash := gocv.NewMatWithSize(photo.Rows(), photo.Cols(), gocv.MatTypeCV8UC3)
	defer wash.Close()
	side := photo.Cols()
	for y := range side {
		gocv.Line(&wash, image.Pt(0, y), image.Pt(side, y), groundColour(float64(y)*traced/float64(side)), 1)
	}
	man := cutout(*photo, photographerShape, 13)
	defer man.Close()
	coat := gocv.NewMatWithSizeFromScalar(gocv.NewScalar(255, 226, 216, 0), side, side, gocv.MatTypeCV8UC3)
	defer coat.Close()
	coat.CopyToWithMask(&wash, man)
	for _, shape := range metalShapes {
		fillShape(&wash, shape, color.RGBA{230, 230, 232, 255})
	}
	fillShape(&wash, faceShape, color.RGBA{255, 204, 168, 255})
	gocv.GaussianBlur(wash, &wash, image.Pt(5, 5), 1, 1, gocv.BorderReplicate)
	gocv.MultiplyWithParams(*photo, wash, photo, 1.0/235, gocv.MatTypeCV8UC3)
}

// groundColour is the wash of sky, town and lawn at a height of the picture (traced pixels).
func groundColour(y float64) color.RGBA {
	sky, haze, lawn := [3]float64{196, 222, 250}, [3]float64{234, 228, 220}, [3]float64{186, 204, 138}
	if y >= horizon {
		return color.RGBA{uint8(lawn[0]), uint8(lawn[1]), uint8(lawn[2]), 255}
	}
	t := min(1, max(0, (y-120)/260)) // the sky pales towards the town
	mix := func(i int) uint8 { return uint8(sky[i] + t*(haze[i]-sky[i])) }
	return color.RGBA{mix(0), mix(1), mix(2), 255}
}

// background is the enlarged photograph, continued to the right by its mirror image.
func (s scene) background(photo gocv.Mat) gocv.Mat {
	big := gocv.NewMat()
	gocv.Resize(photo, &big, image.Point{}, s.park, s.park, gocv.InterpolationCubic)
	defer big.Close()
	k := int(s.blur*6) | 1
	gocv.GaussianBlur(big, &big, image.Pt(k, k), s.blur, s.blur, gocv.BorderReflect101)
	wide := gocv.NewMat()
	missing := max(0, s.size.X+int(s.backOffset+s.parkSway)+2-big.Cols())
	gocv.CopyMakeBorder(big, &wide, 0, 0, 0, missing, gocv.BorderReflect101, color.RGBA{})
	return wide
}

// draw makes the frame at a phase of 0..1 as I420 and tells the boxes of what is seen.
func (s *stage) draw(phase float64, i420 []byte) ([]trueBox, error) {
	sin, cos := math.Sincos(2 * math.Pi * phase)
	pan := s.parkSway * cos
	move(s.back, &s.frame, 1, -s.backOffset+pan, -s.parkTop, s.size)

	scale := s.scale * (1 + s.breathe*sin*cos)
	w, h := float64(s.astronaut.Cols())*scale, float64(s.astronaut.Rows())*scale
	x := s.x + s.sway*sin - w/2
	y := float64(s.size.Y) + s.sink - h + s.bob*math.Cos(4*math.Pi*phase)
	move(s.astronaut, &s.layer, scale, x, y, s.size)
	move(s.mask, &s.alpha, scale, x, y, s.size)
	if err := blend(s.frame, s.layer, s.alpha); err != nil {
		return nil, err
	}
	pix, err := s.frame.DataPtrUint8()
	if err != nil {
		return nil, err
	}
	if err := yuv.FromBGR(i420, pix, s.size.X*3, s.size); err != nil {
		return nil, err
	}
	her, err := bounds(s.alpha)
	if err != nil {
		return nil, err
	}
	return []trueBox{{"person", her}, {"person", s.photographer(pan)}}, nil
}

// move draws src enlarged with its left upper corner at x, y of a canvas of that size.
func move(src gocv.Mat, dst *gocv.Mat, scale, x, y float64, size image.Point) {
	m := gocv.NewMatWithSize(2, 3, gocv.MatTypeCV64F)
	defer m.Close()
	for i, v := range []float64{scale, 0, x, 0, scale, y} {
		m.SetDoubleAt(i/3, i%3, v)
	}
	flags := gocv.InterpolationLinear
	if scale < 0.75 {
		flags = gocv.InterpolationArea // warpAffine takes it for linear
	}
	gocv.WarpAffineWithParams(src, dst, m, size, flags, gocv.BorderConstant, color.RGBA{})
}

// blend lays layer over frame by alpha.
func blend(frame, layer, alpha gocv.Mat) error {
	dst, err := frame.DataPtrUint8()
	if err != nil {
		return err
	}
	src, err := layer.DataPtrUint8()
	if err != nil {
		return err
	}
	mask, err := alpha.DataPtrUint8()
	if err != nil {
		return err
	}
	for i, a := range mask {
		if a == 0 {
			continue
		}
		for c := 3 * i; c < 3*i+3; c++ {
			dst[c] = byte((int(src[c])*int(a) + int(dst[c])*(255-int(a)) + 127) / 255)
		}
	}
	return nil
}

// bounds is the box of a mask's solid part.
func bounds(mask gocv.Mat) ([4]int, error) {
	pix, err := mask.DataPtrUint8()
	if err != nil {
		return [4]int{}, err
	}
	w := mask.Cols()
	var r image.Rectangle
	for i, a := range pix {
		if a > 127 {
			r = r.Union(image.Rect(i%w, i/w, i%w+1, i/w+1))
		}
	}
	return [4]int{r.Min.X, r.Min.Y, r.Max.X, r.Max.Y}, nil
}

// photographer is the box of the man in the background, as far as the frame shows him.
func (s *stage) photographer(pan float64) [4]int {
	k := float64(pictureSize.X) / traced * s.park
	var r image.Rectangle
	for _, p := range photographerShape {
		x, y := int(float64(p[0])*k-s.backOffset+pan), int(float64(p[1])*k-s.parkTop)
		r = r.Union(image.Rect(x, y, x+1, y+1))
	}
	r = r.Intersect(image.Rectangle{Max: s.size})
	return [4]int{r.Min.X, r.Min.Y, r.Max.X, r.Max.Y}
}
