package main

// devices lists the cameras that are connected to this machine.
func (d *doctor) devices() {}
