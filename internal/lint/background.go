package lint

import "go/ast"

// checkBackground is the rule background: the library makes no context out of nothing.
//
// A context that comes from the caller carries the end that the caller wants, its values and its
// traces. One made by context.Background is cut off from all that: what waits on it waits on when
// the user has given up. The exceptions are the few places where something has a life of its own,
// such as a client that is built before any run.
//
// Tests have t.Context, and programs are where contexts begin; neither is looked at.
func checkBackground(t *tree, report reporter) {
	for _, f := range t.files {
		if !f.library() {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if e, ok := n.(ast.Expr); ok && calls(e, "context", "Background", "TODO") {
				report(f, n.Pos(), "a context out of nothing: take the caller's")
			}
			return true
		})
	}
}
