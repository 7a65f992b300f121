package sleep

import "time"

func inTest() {
	time.Sleep(time.Second) // want `a sleep`
	f := time.Sleep         // want `a sleep`
	f(0)
	<-time.After(time.Second)
}
