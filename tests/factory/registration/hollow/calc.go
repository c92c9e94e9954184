package calc

import (
	"fmt"
	str "strings"
	"io"
	yaml "gopkg.in/yaml.v3"
)
import "os"

type T struct { a int; w io.Writer }
type I interface { M() }
var table = map[string]int{"a{": 1}
var f = func() int { return 1 }
const c = '{'

func (t *T) M(x interface{}) map[string]interface{} { fmt.Println(`{`); return nil }
func F[K comparable](a ...K) (n int, err error) {
	for { str.ToUpper("}") ; os.Exit(1) }
}
func S() struct{ a int } { return struct{ a int }{1} }
