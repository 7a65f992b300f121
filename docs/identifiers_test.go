package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/internal/syntax"
)

// packages are the ones that pages speak of.
var packages = map[string]string{
	"stream": "../stream", "streamtest": "../stream/streamtest", "envelope": "../envelope", "serde": "../serde",
	"settings": "../settings", "producer": "../producer", "consumer": "../consumer", "kafkatest": "../kafkatest", "embedded": "../kafkatest/embedded",
}

var (
	inline = regexp.MustCompile("`([^`\n]+)`")
	named  = regexp.MustCompile(`\b([a-z]+)\.([A-Z]\w*)(?:\.([A-Z]\w*))?`)
)

// What a page calls by its name is there.
func TestIdentifiers(t *testing.T) {
	there := map[string]bool{}
	for name, dir := range packages {
		declare(t, there, name, dir)
	}
	for _, page := range pages(t) {
		if filepath.Base(page) == "features.md" {
			continue // make features looks at it
		}
		for _, code := range inline.FindAllStringSubmatch(read(t, page), -1) {
			for _, m := range named.FindAllStringSubmatch(code[1], -1) {
				if packages[m[1]] == "" {
					continue
				}
				name := m[1] + "." + m[2]
				if m[3] != "" {
					name += "." + m[3]
				}
				if !there[name] {
					t.Errorf("%s: there is no %s", page, name)
				}
			}
		}
	}
}

func declare(t *testing.T, there map[string]bool, name, dir string) {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	require.NoError(t, err)
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, d := range file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if r := syntax.Receiver(d); r != "" {
					there[name+"."+r+"."+d.Name.Name] = true
				} else {
					there[name+"."+d.Name.Name] = true
				}
			case *ast.GenDecl:
				for _, s := range d.Specs {
					declareSpec(there, name, s)
				}
			}
		}
	}
}

func declareSpec(there map[string]bool, name string, s ast.Spec) {
	switch s := s.(type) {
	case *ast.ValueSpec:
		for _, n := range s.Names {
			there[name+"."+n.Name] = true
		}
	case *ast.TypeSpec:
		there[name+"."+s.Name.Name] = true
		if st, ok := s.Type.(*ast.StructType); ok {
			for _, f := range st.Fields.List {
				for _, n := range f.Names {
					there[name+"."+s.Name.Name+"."+n.Name] = true
				}
			}
		}
	}
}
