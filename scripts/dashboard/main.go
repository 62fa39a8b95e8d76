// Reads a Grafana dashboard with Grafana's own types, strictly: an option that is unknown, or missing, is an error.
//
// usage: dashboard FILE
package main

import (
	"fmt"
	"os"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

func main() {
	plugins.RegisterDefaultPlugins()
	text, err := os.ReadFile(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var read dashboard.Dashboard
	// Both give an error without text where there is none.
	if err := read.UnmarshalJSONStrict(text); err != nil && err.Error() != "" {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if err := read.Validate(); err != nil && err.Error() != "" {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if len(read.Panels) == 0 {
		fmt.Fprintln(os.Stderr, "no panels")
		os.Exit(1)
	}
}
