package main

import (
	"fmt"

	"yfv2d/infer/model"
	"yfv2d/stream"
)

// Average precision of the two models on the same 80 COCO val2017 images, 352x352 stretched, scores from 0.01, NMS 0.4
// (`yfv2d eval`): what people need to decide whether to fetch the better one.
const (
	builtinAP50  = 25.3
	officialAP50 = 31.1
)

// serverVersion is what /api/version and the page's last lines tell.
func serverVersion(m *model.Model, e engine) stream.VersionInfo {
	v := currentVersion()
	return stream.VersionInfo{
		Version: v.Version, Commit: v.Commit, Go: v.Go, OpenCV: v.OpenCV, Engine: e.name, ForwardMs: e.ms,
		TrialMs: e.trial, EngineChoice: e.choice, Model: modelNotes(m),
	}
}

// modelNotes is the short card of the model in use. For the built-in one it says how good it is and what gets better.
func modelNotes(m *model.Model) stream.ModelInfo {
	info := stream.ModelInfo{
		Name: m.Name, Builtin: m.File == model.BuiltinName, Classes: len(m.Classes), DefaultScore: float64(m.DefaultScore), Note: m.Notes,
	}
	if info.Builtin {
		info.Note = fmt.Sprintf("This is the small built-in demo model (AP50 %.1f; the official weights read %.1f on the same images)", builtinAP50, officialAP50)
		info.Better = "yfv2d model fetch"
	}
	return info
}
