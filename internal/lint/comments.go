package lint

import (
	"go/ast"
	"go/token"
	"slices"
	"strings"

	"github.com/vicuna-go/vicuna/internal/syntax"
)

// checkDoc is the rule doc: the comment of a declaration begins with the declaration's name,
// exported or not, and what is exported has one.
//
// A comment that begins with the name is a sentence about the thing: "add parses the file". It can
// be read on its own, as go doc and editors show it, and a comment that was left behind when a
// function was moved or renamed is seen at once. Of several names in one line it may begin with
// any; an article before the name of a type is allowed, as is Deprecated. Groups in parentheses may
// have a heading of their own. A method without a comment is in order where the type's comment says
// it: methods of an unexported type, and those that interfaces of the standard library ask for
// (Error, Unwrap, String …).
//
// Tests are not looked at: a test's comment says what holds, and its name is a sentence already.
func checkDoc(t *tree, report reporter) {
	for _, f := range t.files {
		if f.test {
			continue
		}
		for _, d := range f.ast.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				checkFunctionDoc(f, d, report)
			case *ast.GenDecl:
				checkGroupDoc(f, d, report)
			}
		}
	}
}

// standard are the methods whose meaning the standard library's interfaces give.
var standard = []string{
	"Error", "Unwrap", "Is", "As", "String", "GoString", "Format", "LogValue", "MarshalText", "UnmarshalText",
	"MarshalJSON", "UnmarshalJSON", "Len", "Less", "Swap", "Push", "Pop",
}

func checkFunctionDoc(f *file, d *ast.FuncDecl, report reporter) {
	name := d.Name.Name
	if d.Doc != nil {
		beginsWith(f, d.Doc, report, name)
		return
	}
	exported := d.Name.IsExported() && (d.Recv == nil || ast.IsExported(syntax.Receiver(d)) && !slices.Contains(standard, name))
	if exported && f.library() {
		report(f, d.Pos(), "%s has no comment", functionName(d))
	}
}

func checkGroupDoc(f *file, d *ast.GenDecl, report reporter) {
	for _, spec := range d.Specs {
		var names []string
		var doc, trailing *ast.CommentGroup
		switch spec := spec.(type) {
		case *ast.ValueSpec:
			for _, n := range spec.Names {
				names = append(names, n.Name)
			}
			doc, trailing = spec.Doc, spec.Comment
		case *ast.TypeSpec:
			names = []string{spec.Name.Name}
			doc, trailing = spec.Doc, spec.Comment
		default:
			continue
		}
		if doc == nil && d.Lparen == token.NoPos {
			doc = d.Doc
		}
		switch {
		case slices.Contains(names, "_"):
		case doc != nil:
			beginsWith(f, doc, report, names...)
		case d.Doc == nil && trailing == nil && f.library() && slices.ContainsFunc(names, ast.IsExported):
			report(f, spec.Pos(), "%s has no comment", names[0])
		}
	}
}

// beginsWith reports a comment that begins with none of the names.
func beginsWith(f *file, doc *ast.CommentGroup, report reporter, names ...string) {
	words := strings.FieldsFunc(doc.Text(), func(r rune) bool { return strings.ContainsRune(" \n\t.,:;'’()[]*", r) })
	if len(words) > 1 && slices.Contains([]string{"A", "An", "The"}, words[0]) {
		words = words[1:]
	}
	if len(words) == 0 { // a directive alone
		return
	}
	if words[0] != "Deprecated" && !slices.Contains(names, words[0]) {
		report(f, doc.Pos(), "the comment begins with %q and not with %s", words[0], strings.Join(names, " or "))
	}
}
