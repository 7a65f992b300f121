package lint

import "go/ast"

// checkSleep is the rule sleep: no test sleeps, nor does what tests are written with (kafkatest,
// streamtest).
//
// A sleep is a guess of how long something takes. On a loaded machine the guess is wrong and the
// test is flaky; on any other it only costs time. Tests wait for what is to happen, or run in
// virtual time. A function under test that is to be slow waits for its context or for the test.
func checkSleep(t *tree, report reporter) {
	for _, f := range t.files {
		if !f.test && !f.library() {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if e, ok := n.(ast.Expr); ok && calls(e, "time", "Sleep") {
				report(f, n.Pos(), "a sleep: wait for what is to happen")
			}
			return true
		})
	}
}
