package eval

import (
	"errors"
	"strings"
)

// aliases are names that other class lists (the Darknet one above all) use for COCO's categories.
var aliases = map[string]string{
	"motorbike":    "motorcycle",
	"aeroplane":    "airplane",
	"sofa":         "couch",
	"pottedplant":  "potted plant",
	"diningtable":  "dining table",
	"tvmonitor":    "tv",
	"tv monitor":   "tv",
	"hairdryer":    "hair drier",
	"hair dryer":   "hair drier",
	"trafficlight": "traffic light",
	"cellphone":    "cell phone",
	"doughnut":     "donut",
}

func canonical(name string) string {
	name = strings.ToLower(strings.TrimSpace(strings.ReplaceAll(name, "_", " ")))
	if a, ok := aliases[name]; ok {
		return a
	}
	return name
}

// Unknown marks a class that the dataset has no category for.
const Unknown = -1

// MapClasses gives each class of a model the id of its category: by name, or, if some name is not found and there are
// as many classes as categories, by the order of the ids. Classes without a category are Unknown; it is an error if
// all are.
func MapClasses(classes []string, cats []Category) ([]int, error) {
	byName := make(map[string]int, len(cats))
	for _, c := range cats {
		byName[canonical(c.Name)] = c.ID
	}
	ids, missing := make([]int, len(classes)), 0
	for i, name := range classes {
		id, ok := byName[canonical(name)]
		if !ok {
			id = Unknown
			missing++
		}
		ids[i] = id
	}
	if missing > 0 && len(classes) == len(cats) {
		for i, c := range cats {
			ids[i] = c.ID
		}
		return ids, nil
	}
	if missing == len(classes) {
		return nil, errors.New("none of the model's classes is a category of the annotations")
	}
	return ids, nil
}
