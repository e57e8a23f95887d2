// Package capture opens the sources that frames come from: video files, pictures and a test pattern, each named by a
// source string such as "file:clip.mp4", and the wrappers that pace, loop and re-open them.
package capture
