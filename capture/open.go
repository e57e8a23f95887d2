package capture

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/rs/zerolog"

	"yfv2d/capture/live"
	"yfv2d/pipeline"
)

// Speed says how fast a recorded source is played.
type Speed uint8

const (
	Realtime Speed = iota // as fast as its timestamps say
	Max                   // as fast as it is read; At still advances by media time
)

// ParseSpeed reads "realtime" or "max".
func ParseSpeed(s string) (Speed, error) {
	switch s {
	case "realtime":
		return Realtime, nil
	case "max":
		return Max, nil
	}
	return 0, fmt.Errorf("speed %q: want realtime or max", s)
}

// Options say how a source is read. The zero value plays once, in real time, and shows the picture as it comes.
type Options struct {
	View  View           // how the picture is shown
	Loop  bool           // start a file or a list of pictures again at its end; test: has no end of its own and ignores it
	Speed Speed          // Realtime or Max
	Dir   string         // relative paths start here; empty means the working directory
	Clock Clock          // nil: the system's clock
	Log   zerolog.Logger // what is worth saying once (a cropped side); the zero Logger says nothing

	// Of sources of the outside world.
	Transport      string       // rtsp: "tcp" (also ""), "udp" or "auto"
	TLSInsecure    bool         // rtsps and https: take any certificate
	TLSFingerprint []byte       // rtsps and https: the SHA-256 of the one certificate to take; nil: one that the system trusts
	Live           live.Options // its Log is taken from Log
}

// Namer is a Source that knows the name of the file its newest frame (or *PictureError) came from. It is asked by the
// goroutine that reads.
type Namer interface{ Name() string }

// Open opens the source that spec names and checks that it can be read; see Check for the forms. Video and the test
// pattern give I420 frames, pictures give BGR. At is Clock's time when the source was opened plus the frame's media time;
// in real time Read waits for that moment. Errors name the source without its password. The caller closes the source.
func Open(ctx context.Context, spec string, opt Options) (pipeline.Source, error) {
	if opt.Clock == nil {
		opt.Clock = systemClock{}
	}
	s, err := parse(spec)
	if err != nil {
		return nil, err
	}
	if err := opt.View.Check(); err != nil {
		return nil, fmt.Errorf("open source %q: %w", Redact(spec), err)
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("open source %q: %w", Redact(spec), err)
	}
	if s.outside != nil {
		from := opt.Live
		from.Log = opt.Log
		src, err := s.outside(ctx, opt, from)
		if err != nil {
			return nil, err
		}
		return NewView(src, opt.View), nil
	}
	src, err := openSpec(ctx, s, opt)
	if err != nil {
		return nil, fmt.Errorf("open source %q: %w", Redact(spec), err)
	}
	return NewView(src, opt.View), nil
}

func openSpec(ctx context.Context, s spec, opt Options) (pipeline.Source, error) {
	if s.kind == kindTest {
		return newPattern(s.pattern, opt.Speed, opt.Clock), nil
	}
	path := s.path
	if !filepath.IsAbs(path) {
		path = filepath.Join(opt.Dir, path)
	}
	return openPath(ctx, path, opt)
}

// openPath opens a file, a folder or a glob with the wrappers that opt asks for.
func openPath(ctx context.Context, path string, opt Options) (pipeline.Source, error) {
	open := func(context.Context) (pipeline.Source, error) { return openFile(path, opt) }
	var src pipeline.Source
	var err error
	if opt.Loop {
		src, err = NewLooped(ctx, open)
	} else {
		src, err = open(ctx)
	}
	if err != nil {
		return nil, err
	}
	if opt.Speed == Realtime {
		src = NewPaced(src, opt.Clock)
	}
	return src, nil
}

func openFile(path string, opt Options) (pipeline.Source, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil && hasMeta(path):
		return openGlob(path, opt)
	case err != nil:
		return nil, statError(err)
	case info.IsDir():
		return openFolder(path, opt)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is %s: want a video, a picture or a folder of pictures", path, modeName(info.Mode()))
	case isPicture(path):
		return newPictures([]string{path}, opt.Clock), nil
	}
	return openVideo(path, opt)
}

// modeName says what a thing that is no file is.
func modeName(m os.FileMode) string {
	switch {
	case m&os.ModeNamedPipe != 0:
		return "a pipe"
	case m&os.ModeSocket != 0:
		return "a socket"
	case m&os.ModeDevice != 0:
		return "a device"
	}
	return "no regular file"
}
