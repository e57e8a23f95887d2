package main

import (
	"bytes"
	"fmt"
	"html/template"
	"math"
	"strings"
)

// page is the report as one HTML file that needs nothing else.
func (r *benchReport) page() []byte {
	var b bytes.Buffer
	charts := []chart{r.chart("Detect steps a second", func(s *benchSliceReport) *float64 { return &s.Rate })}
	for _, c := range []chart{
		r.chart("Temperature, °C", func(s *benchSliceReport) *float64 { return s.Celsius }),
		r.chart("Clock, MHz", func(s *benchSliceReport) *float64 { return s.MHz }),
	} {
		if len(c.Lines) > 0 {
			charts = append(charts, c)
		}
	}
	if err := benchPage.Execute(&b, struct {
		*benchReport
		Charts []chart
		Silent bool // about heat
	}{r, charts, len(charts) == 1}); err != nil {
		panic(err) // the template and our own data do not fit each other
	}
	return b.Bytes()
}

// Size of a chart and its margins, pixels.
const (
	chartW, chartH = 860, 240
	chartLeft      = 56
	chartBottom    = 28
	chartTop       = 8
	chartTicks     = 4
)

// chart is a set of lines over time, in pixels.
type chart struct {
	Title  string
	W, H   int
	X0, Y0 int // where the axes meet
	Lines  []chartLine
	Marks  []chartMark
	Left   int
	Top    int
}

type chartLine struct {
	Name   string
	Class  int // colour
	Points string
}

// chartMark is a label on an axis, at X or Y.
type chartMark struct {
	X, Y    float64
	Text    string
	OnFloor bool // on the axis of time
}

// chartColours is how many the page's style knows.
const chartColours = 6

// chart draws one figure of all runs; where no slice has it, there are no lines.
func (r *benchReport) chart(title string, figure func(*benchSliceReport) *float64) chart {
	c := chart{Title: title, W: chartW, H: chartH, X0: chartLeft, Y0: chartH - chartBottom, Left: chartLeft, Top: chartTop}
	var top, last float64
	each := func(do func(run int, t, v float64)) {
		for i := range r.Runs {
			for k := range r.Runs[i].Slices {
				s := &r.Runs[i].Slices[k]
				if v := figure(s); v != nil {
					do(i, s.T, *v)
				}
			}
		}
	}
	each(func(_ int, t, v float64) { top, last = max(top, v), max(last, t) })
	yStep, xStep := niceStep(top), niceStep(last)
	top = math.Ceil(top/yStep) * yStep
	x := func(t float64) float64 {
		return chartLeft + t/max(last, xStep/1000)*float64(chartW-chartLeft-8)
	}
	y := func(v float64) float64 { return float64(c.Y0) - v/top*float64(c.Y0-chartTop) }
	points := make([]strings.Builder, len(r.Runs))
	each(func(run int, t, v float64) { fmt.Fprintf(&points[run], "%.1f,%.1f ", x(t), y(v)) })
	for i := range points {
		if points[i].Len() > 0 {
			row := &r.Runs[i]
			c.Lines = append(c.Lines, chartLine{row.Engine + " " + row.SizeText(), i % chartColours, strings.TrimSpace(points[i].String())})
		}
	}
	for v := 0.0; v <= top+yStep/2; v += yStep {
		c.Marks = append(c.Marks, chartMark{X: chartLeft - 6, Y: y(v), Text: fmt.Sprintf("%.4g", v)})
	}
	for t := 0.0; t <= last; t += xStep {
		c.Marks = append(c.Marks, chartMark{X: x(t), Y: chartH - 8, Text: fmt.Sprintf("%.4g s", t), OnFloor: true})
	}
	return c
}

// niceStep is 1, 2 or 5 times a power of ten, about a quarter of top.
func niceStep(top float64) float64 {
	if !(top > 0) {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(top/chartTicks)))
	for _, m := range []float64{1, 2, 5} {
		if top/chartTicks <= m*power {
			return m * power
		}
	}
	return 10 * power
}

var benchPage = template.Must(template.New("bench").Funcs(template.FuncMap{
	"ms":   func(v float64) string { return fmt.Sprintf("%.3g", round(v, 1000)) },
	"rate": func(v float64) string { return fmt.Sprintf("%.1f", v) },
	"giga": func(v *float64) string { return fmt.Sprintf("%.1f", *v/1e9) },
}).Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>yfv2d bench: {{.Machine}}</title>
<style>
:root{--ink:#1b1f24;--soft:#667;--line:#d5d9e0;--paper:#fff;--c0:#0b62c4;--c1:#7ab2f0;--c2:#b3470b;--c3:#ec9a62;--c4:#1c7c3a;--c5:#7cc595}
@media(prefers-color-scheme:dark){:root{--ink:#e6e8ec;--soft:#99a;--line:#353b45;--paper:#15181d;--c0:#5aa7ff;--c1:#2a6db5;--c2:#ff9757;--c3:#a85a24;--c4:#5fd283;--c5:#2d8a4c}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:900px;margin:2em auto;padding:0 1em}
h1{font-size:1.4em;margin:0}h2{font-size:1.05em;margin:1.6em 0 .3em}p{color:var(--soft);margin:.2em 0}
.wide{overflow-x:auto}table{border-collapse:collapse;margin-top:1em;font-variant-numeric:tabular-nums}
th,td{text-align:right;padding:.25em .7em;border-bottom:1px solid var(--line);white-space:nowrap}th{font-weight:600}
th:first-child,td:first-child,th:nth-child(2),td:nth-child(2){text-align:left}
svg{width:100%;height:auto;display:block}svg text{font-size:12px;fill:var(--soft)}.axis{stroke:var(--line)}polyline{fill:none;stroke-width:2}
.s0{stroke:var(--c0);background:var(--c0)}.s1{stroke:var(--c1);background:var(--c1)}.s2{stroke:var(--c2);background:var(--c2)}
.s3{stroke:var(--c3);background:var(--c3)}.s4{stroke:var(--c4);background:var(--c4)}.s5{stroke:var(--c5);background:var(--c5)}
.key span{margin-right:1.4em;white-space:nowrap}.key i{display:inline-block;width:1em;height:3px;vertical-align:middle;margin-right:.4em}
</style>
<h1>{{.Machine}}</h1>
<p>{{.Cores}} cores, {{.OS}}/{{.Arch}}; yfv2d {{.Version}}, OpenCV {{.OpenCV}}; model {{.Model}}</p>
<p>A {{index .Frame 0}}x{{index .Frame 1}} picture of {{.Source}}, {{ms .Seconds}} s for each run, in turns, one thread{{if .Interrupted}}; stopped before the end{{end}}.</p>
{{- if .FMA}}<p>The core does {{giga .FMA}} G multiply-adds a second (fp32, {{.FMAWidth}}).</p>{{end}}
<div class="wide"><table><tr><th>a detect step, ms<th>input<th>min<th>median<th>p95<th>CPU<th>letterbox<th>forward<th>decode<th>NMS</tr>
{{range .Runs}}<tr><td>{{.Engine}}<td>{{.SizeText}}<td>{{ms .Step.Min}}<td>{{ms .Step.Median}}<td>{{ms .Step.P95}}<td>{{ms .CPU}}
{{- range .StageMedians}}<td>{{ms .}}{{end}}</tr>
{{end}}</table></div>
<div class="wide"><table><tr><th>steps a second<th>input<th>mean<th>at the end<th>of the floor<th>peak MB<th>cameras a core, 5/s<th>10/s</tr>
{{range .Runs}}<tr><td>{{.Engine}}<td>{{.SizeText}}<td>{{rate .Rate}}<td>{{rate .Sustained}}<td>{{.ShareText}}<td>{{rate .PeakRSS}}<td>{{index .Cameras "5"}}<td>{{index .Cameras "10"}}</tr>
{{end}}</table></div>
<p>Cameras are those that one core can serve at so many detections a second, without reading their streams.</p>
{{range .Charts}}{{$c := .}}<h2>{{.Title}}</h2>
<p class="key">{{range .Lines}}<span><i class="s{{.Class}}"></i>{{.Name}}</span>{{end}}</p>
<svg viewBox="0 0 {{.W}} {{.H}}" role="img" aria-label="{{.Title}} over time">
{{range .Marks}}{{if .OnFloor}}<text x="{{.X}}" y="{{.Y}}" text-anchor="middle">{{.Text}}</text>
{{else}}<line class="axis" x1="{{$c.Left}}" x2="{{$c.W}}" y1="{{.Y}}" y2="{{.Y}}"/><text x="{{.X}}" y="{{.Y}}" dy="4" text-anchor="end">{{.Text}}</text>
{{end}}{{end}}{{range .Lines}}<polyline class="s{{.Class}}" points="{{.Points}}"/>
{{end}}</svg>
{{end}}{{if .Silent}}<p>The kernel of this machine tells neither temperature nor clock.</p>{{end}}
</html>
`))
