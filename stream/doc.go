// Package stream shows cameras to people: the broadcaster that encodes once for all viewers, WHEP over WebRTC, the
// JSON API, metrics, and the web page.
package stream
