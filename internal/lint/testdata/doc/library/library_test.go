package library

// What holds is a sentence.
func TestWhatHolds() {}
