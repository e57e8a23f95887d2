package main

import (
	"image"
	"image/color"

	"gocv.io/x/gocv"
)

// The shapes were traced by hand on each picture enlarged to traced x traced pixels.
const traced = 1092

var pictureSize = image.Pt(512, 512)

// astronautShape is Eileen Collins with suit and helmet (astronaut.png), down to the picture's lower edge.
var astronautShape = [][2]int{
	{355, 318}, {325, 322}, {295, 336}, {270, 358}, {256, 380}, {244, 398}, {242, 425}, {244, 443}, {225, 458}, {198, 478},
	{165, 512}, {135, 545}, {112, 572}, {95, 615}, {88, 650}, {72, 690}, {56, 745}, {48, 800}, {42, 850}, {46, 920},
	{50, 985}, {62, 1030}, {84, 1085}, {86, 1100}, {1062, 1100}, {1062, 970}, {1045, 910}, {1020, 860}, {985, 812},
	{945, 772}, {900, 745}, {855, 735}, {815, 738}, {775, 750}, {770, 705}, {760, 650}, {745, 605}, {725, 570}, {700, 540},
	{675, 520}, {652, 503}, {648, 470}, {636, 438}, {612, 410}, {580, 385}, {548, 368}, {556, 345}, {568, 318}, {574, 292},
	{592, 286}, {602, 272}, {622, 250}, {638, 222}, {644, 190}, {640, 150}, {632, 112}, {612, 82}, {580, 55}, {545, 40},
	{500, 33}, {462, 40}, {430, 55}, {408, 76}, {372, 84}, {345, 108}, {329, 140}, {328, 170}, {336, 212}, {352, 240},
	{366, 253}, {368, 272}, {380, 285}, {388, 287}, {391, 318},
}

// Regions of camera.png, for the hand-tinting.
var (
	photographerShape = [][2]int{
		{0, 552}, {40, 485}, {80, 430}, {120, 365}, {160, 305}, {210, 278}, {278, 264}, {300, 240}, {330, 226}, {345, 226},
		{352, 195}, {375, 165}, {410, 145}, {445, 138}, {490, 150}, {530, 175}, {560, 200}, {577, 235}, {575, 275}, {545, 290},
		{545, 355}, {528, 385}, {520, 440}, {520, 480}, {530, 525}, {560, 470}, {640, 440}, {665, 375}, {690, 360}, {707, 380},
		{705, 420}, {670, 470}, {640, 540}, {648, 585}, {600, 630}, {530, 666}, {440, 630}, {390, 720}, {310, 815}, {318, 900},
		{322, 1092}, {0, 1092},
	}
	faceShape = [][2]int{
		{386, 280}, {402, 270}, {418, 276}, {432, 318}, {447, 316}, {452, 292}, {480, 274}, {528, 276}, {538, 300}, {540, 318},
		{538, 350}, {528, 366}, {521, 382}, {511, 398}, {502, 414}, {490, 418}, {445, 408}, {420, 402}, {395, 400}, {372, 350},
		{362, 320}, {384, 328},
	}
)

// metalShapes are the camera, the tripod and a heap of snow: what has no colour.
var metalShapes = [][][2]int{
	{{540, 300}, {600, 296}, {692, 296}, {694, 332}, {680, 392}, {570, 384}, {552, 376}, {554, 346}, {540, 322}},
	{{613, 440}, {637, 440}, {638, 1040}, {613, 1040}},
	{{596, 704}, {618, 704}, {514, 1100}, {490, 1100}},
	{{656, 704}, {672, 700}, {868, 1100}, {834, 1100}},
	{{594, 664}, {655, 664}, {700, 638}, {722, 640}, {722, 658}, {700, 662}, {668, 690}, {650, 738}, {600, 712}},
	{{676, 514}, {690, 494}, {706, 488}, {722, 496}, {734, 516}},
}

const horizon = 497 // where the lawn begins, traced pixels

// polygon scales a traced shape to a picture of the given side.
func polygon(shape [][2]int, side int) gocv.PointsVector {
	pts := make([]image.Point, len(shape))
	for i, p := range shape {
		pts[i] = image.Pt((p[0]*side+traced/2)/traced, (p[1]*side+traced/2)/traced)
	}
	return gocv.NewPointsVectorFromPoints([][]image.Point{pts})
}

// fillShape fills a traced shape on a square picture.
func fillShape(m *gocv.Mat, shape [][2]int, c color.RGBA) {
	pv := polygon(shape, m.Cols())
	defer pv.Close()
	gocv.FillPolyWithParams(m, pv, c, gocv.LineAA, 0, image.Point{})
}

// cutout is the mask (8UC1, 0..255) of a traced shape, its edge refined on the picture itself: GrabCut decides the pixels
// in a band of that width along the traced line.
func cutout(picture gocv.Mat, shape [][2]int, band int) gocv.Mat {
	solid := gocv.NewMatWithSize(picture.Rows(), picture.Cols(), gocv.MatTypeCV8UC1)
	defer solid.Close()
	fillShape(&solid, shape, color.RGBA{255, 255, 255, 255})
	kernel := gocv.GetStructuringElement(gocv.MorphEllipse, image.Pt(band, band))
	defer kernel.Close()
	inner, outer := gocv.NewMat(), gocv.NewMat()
	defer inner.Close()
	defer outer.Close()
	gocv.Erode(solid, &inner, kernel)
	gocv.Dilate(solid, &outer, kernel)
	labels := label(solid, inner, outer)
	defer labels.Close()
	bg, fg := gocv.NewMat(), gocv.NewMat()
	defer bg.Close()
	defer fg.Close()
	gocv.GrabCut(picture, &labels, image.Rectangle{}, &bg, &fg, 3, gocv.GCInitWithMask)
	mask := gocv.NewMatWithSize(picture.Rows(), picture.Cols(), gocv.MatTypeCV8UC1)
	for y := range labels.Rows() {
		for x := range labels.Cols() {
			if labels.GetUCharAt(y, x)&1 == 1 { // 1 and 3: foreground
				mask.SetUCharAt(y, x, 255)
			}
		}
	}
	gocv.MedianBlur(mask, &mask, 5)
	gocv.GaussianBlur(mask, &mask, image.Pt(3, 3), 0.8, 0.8, gocv.BorderReplicate)
	return mask
}

// label gives GrabCut's labels: 0 and 1 for sure back- and foreground, 2 and 3 for likely.
func label(solid, inner, outer gocv.Mat) gocv.Mat {
	labels := gocv.NewMatWithSize(solid.Rows(), solid.Cols(), gocv.MatTypeCV8UC1)
	for y := range solid.Rows() {
		for x := range solid.Cols() {
			v := uint8(0)
			switch {
			case inner.GetUCharAt(y, x) > 127:
				v = 1
			case solid.GetUCharAt(y, x) > 127:
				v = 3
			case outer.GetUCharAt(y, x) > 127:
				v = 2
			}
			labels.SetUCharAt(y, x, v)
		}
	}
	return labels
}
