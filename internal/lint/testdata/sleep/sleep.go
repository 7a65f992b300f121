package sleep

import "time"

func inLibrary() { time.Sleep(1) } // want `a sleep`
