package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
	"github.com/spf13/viper"
)

const (
	// configFlag and configVariable name the configuration file.
	configFlag     = "config"
	configVariable = envPrefix + "CONFIG"
	// envPrefix begins the name of every environment variable that sets
	// something.
	envPrefix = "CORSGATE_"
	// envSeparator stands between the values of a list in the environment.
	envSeparator = ","
)

// configExtensions are the forms of a configuration file.
func configExtensions() []string { return []string{"yaml", "yml", "toml", "json"} }

// isServiceVariable says whether Kubernetes made a variable, for a Service whose
// name begins with corsgate (CORSGATE_SERVICE_HOST, CORSGATE_PORT_9191_TCP, …).
// Every pod of the namespace has those, and they are not ours to refuse.
func isServiceVariable(name string) bool {
	service := regexp.MustCompile(`^CORSGATE_(\w+_)?(SERVICE_(HOST|PORT(_\w+)?)|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$`)
	return service.MatchString(name)
}

// A resolved configuration says what each setting is and what set it.
type resolved struct {
	names   []string
	flags   *pflag.FlagSet
	origins map[string]string
}

// resolve gives each setting its value: its default, or what the file says, or
// the environment, or the flag, the last winning. It reports all that is wrong
// at once.
func (s *serveSettings) resolve(flags *pflag.FlagSet, environ []string) (*resolved, error) {
	names := settingNames(flags)
	layers := viper.New()
	variables, errs := readVariables(names, environ)

	path, _ := flags.GetString(configFlag) // it is a flag of ours, and a string
	if path == "" {
		path = variables[configFlag]
	}
	if path != "" {
		errs = append(errs, readConfig(layers, path, names)...)
	}
	if len(errs) > 0 {
		return nil, &usageError{err: errors.Join(errs...)}
	}

	config := &resolved{names: names, flags: flags, origins: map[string]string{}}
	for _, name := range names {
		flag := flags.Lookup(name)
		variable, inEnvironment := variables[name]
		switch {
		case flag.Changed:
			config.origins[name] = "flag --" + name
		case inEnvironment:
			config.origins[name] = "environment " + variableName(name)
			layers.Set(name, splitVariable(flag, variable))
		case layers.InConfig(name):
			config.origins[name] = "file " + path
		default:
			config.origins[name] = "default"
			continue
		}
		if flag.Changed {
			continue
		}
		if err := assign(flag, layers.Get(name)); err != nil {
			errs = append(errs, fmt.Errorf("%s, from %s: %w", name, config.origins[name], err))
		}
	}
	if len(errs) > 0 {
		return nil, &usageError{err: errors.Join(errs...)}
	}
	return config, nil
}

// settingNames returns the flags that are settings, in the order of the help.
func settingNames(flags *pflag.FlagSet) []string {
	var names []string
	flags.VisitAll(func(flag *pflag.Flag) {
		switch flag.Name {
		case configFlag, "print-config", "help":
		default:
			names = append(names, flag.Name)
		}
	})
	return names
}

// variableName returns the environment variable of a setting.
func variableName(setting string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(setting, "-", "_"))
}

// readVariables finds the settings in the environment. A variable that begins
// like ours and is none is an error: it is one that was mistyped.
func readVariables(names, environ []string) (map[string]string, []error) {
	known := map[string]string{configVariable: configFlag}
	for _, name := range names {
		known[variableName(name)] = name
	}
	variables, errs := map[string]string{}, []error(nil)
	for _, entry := range slices.Sorted(slices.Values(environ)) {
		variable, value, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(variable, envPrefix) || isServiceVariable(variable) || isClientVariable(variable) {
			continue
		}
		if name, ok := known[variable]; ok {
			variables[name] = value
			continue
		}
		errs = append(errs, fmt.Errorf("the environment variable %s sets nothing; %s",
			variable, suggest(variable, envPrefix, known, "serve --help lists the settings")))
	}
	return variables, errs
}

// readConfig reads the configuration file into layers.
func readConfig(layers *viper.Viper, path string, names []string) []error {
	extension := strings.TrimPrefix(filepath.Ext(path), ".")
	if !slices.Contains(configExtensions(), extension) {
		return []error{fmt.Errorf("the configuration file %s has an unknown form; name it *.%s",
			path, alternatives(configExtensions()))}
	}
	content, err := readSettings(path, extension)
	if err != nil {
		return []error{fmt.Errorf("the configuration file %s cannot be read: %w", path, innermost(err))}
	}
	known := map[string]string{}
	for _, name := range names {
		known[name] = name
	}
	var errs []error
	for _, key := range slices.Sorted(maps.Keys(content)) {
		if _, ok := known[strings.ToLower(key)]; !ok {
			errs = append(errs, fmt.Errorf("the configuration file %s has an unknown key %q; %s",
				path, key, suggest(key, "", known, "serve --help lists the settings")))
		} else if content[key] == nil {
			errs = append(errs, fmt.Errorf("the configuration file %s has no value for %q; write one, or leave it out", path, key))
		}
	}
	if err := layers.MergeConfigMap(content); err != nil {
		errs = append(errs, fmt.Errorf("the configuration file %s cannot be used: %w", path, err))
	}
	return errs
}

// readSettings reads a configuration file as it stands. What viper makes of one
// hides keys without a value, which may be mistyped like any other.
func readSettings(path, extension string) (map[string]any, error) {
	content, err := os.ReadFile(path) //nolint:gosec // naming this file is what the flag is for
	if err != nil {
		return nil, fmt.Errorf("reading the file: %w", err)
	}
	decoder, err := viper.NewCodecRegistry().Decoder(extension)
	if err != nil {
		return nil, fmt.Errorf("finding a reader for %s: %w", extension, err)
	}
	settings := map[string]any{}
	if err := decoder.Decode(content, settings); err != nil {
		return nil, err
	}
	return settings, nil
}

// innermost drops the path from an error that stands beside it already.
func innermost(err error) error {
	if access, ok := errors.AsType[*fs.PathError](err); ok {
		return access.Err
	}
	return err
}

// splitVariable returns the values of a variable: several, if its setting is a
// list.
func splitVariable(flag *pflag.Flag, value string) any {
	if _, ok := flag.Value.(*list); !ok {
		return value
	}
	values := []any{}
	for part := range strings.SplitSeq(value, envSeparator) {
		if part = strings.TrimSpace(part); part != "" {
			values = append(values, part)
		}
	}
	return values
}

// assign gives a setting a value that came from a file or the environment.
func assign(flag *pflag.Flag, value any) error {
	target, isList := flag.Value.(*list)
	if !isList {
		if on, isBool := value.(bool); isBool && flag.Value.Type() == "bool" {
			value = strconv.FormatBool(on)
		}
		scalar, err := scalarText(value)
		if err != nil {
			return err
		}
		if err := flag.Value.Set(scalar); err != nil {
			return fmt.Errorf("%q will not do; %w", scalar, err)
		}
		return nil
	}
	values, ok := value.([]any)
	if !ok {
		values = []any{value}
	}
	target.values, target.set = []string{}, true
	for i, one := range values {
		scalar, isText := one.(string)
		if !isText {
			return fmt.Errorf("entry %d is %s; it must be text", i+1, describe(one))
		}
		if err := target.Set(scalar); err != nil {
			return fmt.Errorf("entry %d: %w", i+1, err)
		}
	}
	return nil
}

// scalarText returns a single value as text, as a flag would have it.
func scalarText(value any) (string, error) {
	switch value := value.(type) {
	case string:
		return value, nil
	case int, int64, uint64:
		return fmt.Sprint(value), nil
	case float64: // any number of JSON
		return strconv.FormatFloat(value, 'f', -1, 64), nil
	default:
		return "", fmt.Errorf("it is %s; it must be a single value", describe(value))
	}
}

// describe says what kind of value a file has.
func describe(value any) string {
	switch value.(type) {
	case nil:
		return "empty"
	case []any:
		return "a list"
	case map[string]any:
		return "a mapping"
	case bool:
		return "true or false"
	default:
		return fmt.Sprintf("%v", value)
	}
}

// print writes what is in force as YAML that --config reads, with what set each
// value beside it.
func (c *resolved) print(to io.Writer) error {
	for _, name := range c.names {
		var value any = c.flags.Lookup(name).Value.String()
		switch flag := c.flags.Lookup(name).Value.(type) {
		case *list:
			value = append([]string{}, flag.values...)
		case *size:
			value = flag.value
		case *toggle:
			value = flag.value
		}
		// JSON is YAML, and needs no thought about quotation marks.
		encoded, err := json.Marshal(value)
		if err != nil {
			return fmt.Errorf("writing %s: %w", name, err)
		}
		if _, err := fmt.Fprintf(to, "%s: %s # %s\n", name, encoded, c.origins[name]); err != nil {
			return fmt.Errorf("writing the configuration: %w", err)
		}
	}
	return nil
}
