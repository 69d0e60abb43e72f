package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/explain"
	"github.com/corsgate/corsgate/policy/source"
	"github.com/corsgate/corsgate/server"
)

// errBlocked is of a request that is not allowed, where --exit-code asks for it.
var errBlocked = fmt.Errorf("the request is not allowed: %w", errFailed)

// explainOptions is how `explain` was called.
type explainOptions struct {
	policies list
	client   clientSettings
	flags    *pflag.FlagSet
	noPolicy choice
	output   choice
	exitCode bool
	console  text

	origin, url, method, mode, fetchSite, policyName text
	headers, readHeaders                             list
	credentials, uploadListener, stream              bool
}

// explained is the JSON of `explain --console`.
type explained struct {
	Console *explain.Console `json:"console"`
	// Explanation is null where the text does not say enough to explain the
	// request, or no policies are given.
	Explanation *explain.Explanation `json:"explanation"`
}

func newExplain(to streams) *cobra.Command {
	options := explainOptions{client: newClientSettings(), output: outputChoice(), noPolicy: newChoice(noPolicyDeny, noPolicyDeny, noPolicyPass)}
	command := &cobra.Command{
		Use:   "explain --policy PATH… --origin ORIGIN --url URL",
		Short: "Say why a browser may not do what a page asks",
		Long: `explain says what becomes of a call that a page makes to another origin: whether
the browser asks first, and why; which policy governs, and why that one; which of
its rules decides; exactly what corsgate answers; what Chrome, Firefox and Safari
make of it, with the text that they print; and the smallest change to the policy
that would allow it, which was tried, or why there is no safe one.

Policies are read from files (--policy), or asked for in a running corsgate
(--server), where those in force count.

--console goes backwards: it takes the error that a browser printed and says what
it means and what to do. If policies are given, and the text or other flags name
the page's origin and the URL, the call is explained, too.

It exits with 0 once it has explained, whatever the outcome; with --exit-code, it
exits with 4 unless the call is allowed. It exits with 3 if the policies are
invalid, 2 if it was called wrongly, and 1 if a server could not be asked.`,
		Example: `  corsgate explain --policy policies/ --origin https://shop.example \
    --url https://api.shop.example/v1/orders --method DELETE --header X-Csrf-Token --credentials
  corsgate explain --server 127.0.0.1:9192 --origin https://shop.example --url https://api.shop.example/v1/orders
  corsgate explain --console "Access to fetch at 'https://…' from origin 'https://…' has been blocked by CORS policy: …"`,
		Args: noArguments,
		RunE: func(command *cobra.Command, _ []string) error {
			options.flags = command.Flags()
			return options.run(command.Context(), to)
		},
	}
	options.client.server.value = "" // its policies are asked for where it is named
	options.addFlags(command)
	return command
}

func (o *explainOptions) addFlags(command *cobra.Command) {
	flags := command.Flags()
	flags.SortFlags = false
	flags.Var(&o.policies, "policy", "`path` of a file or folder that holds policies; may be given more than once")
	flags.Var(&o.console, "console", "`text` of an error in a browser's console, or - to read it from the standard input")
	flags.Var(&o.origin, "origin", "the page's `origin`, such as https://shop.example, or null")
	flags.Var(&o.url, "url", "what the page calls")
	flags.Var(&o.method, "method", "the call's `method`; GET if it is not given")
	flags.Var(&o.headers, "header", "`header` that the script sets, NAME or 'NAME: VALUE'; may be given more than once")
	flags.BoolVar(&o.credentials, "credentials", false, "the script asks for cookies (credentials: \"include\", withCredentials)")
	flags.Var(&o.readHeaders, "read-header", "`name` of a response header that the script wants to read; may be given more than once")
	flags.Var(&o.mode, "mode", "the call's `mode`: "+alternatives(explain.Modes())+"; cors, and for ws: and wss: websocket, if it is not given")
	flags.BoolVar(&o.uploadListener, "upload-listener", false, "the script listens to the upload's progress")
	flags.BoolVar(&o.stream, "stream", false, "the body is a stream")
	flags.Var(&o.fetchSite, "fetch-site", "`value` of Sec-Fetch-Site, if not what a browser would send: "+alternatives(explain.FetchSites()))
	flags.Var(&o.policyName, "policy-name", "`name` of the policy that the route names (corsgate.policy), if it does")
	o.noPolicy.flag(command, "no-policy", "", "what becomes of cross-origin requests that no policy governs, as told to serve")
	o.output.flag(command, "output", "o", "how to write the explanation")
	flags.BoolVar(&o.exitCode, "exit-code", false, "exit with 4 unless the call is allowed")
	o.client.addFlags(command)
	flags.Lookup("server").DefValue = ""
	flags.Lookup("server").Usage = "`URL` of the --admin of a running corsgate, http://, https:// or unix:///path; its policies count"
	for name, words := range map[string][]string{"mode": explain.Modes(), "fetch-site": explain.FetchSites()} {
		// It fails only for a flag that is not there.
		_ = command.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
	}
}

// values are the flags as a question's parameters.
func (o *explainOptions) values() url.Values {
	values := url.Values{}
	for name, value := range map[string]string{
		"origin": o.origin.value, "url": o.url.value, "method": o.method.value, "mode": o.mode.value,
		"fetch-site": o.fetchSite.value, "policy-name": o.policyName.value,
	} {
		if value != "" {
			values.Set(name, value)
		}
	}
	for name, on := range map[string]bool{"credentials": o.credentials, "upload-listener": o.uploadListener, "stream": o.stream} {
		if on {
			values.Set(name, "true")
		}
	}
	for name, given := range map[string][]string{"header": o.headers.values, "read-header": o.readHeaders.values} {
		if len(given) > 0 {
			values[name] = given
		}
	}
	return values
}

func (o *explainOptions) run(ctx context.Context, to streams) error {
	values := o.values()
	var console *explain.Console
	if o.console.value != "" {
		var err error
		if console, err = o.readConsole(); err != nil {
			return err
		}
		console.Ask(values)
	}
	if console != nil && (!o.hasPolicies() || !values.Has("origin") || !values.Has("url")) {
		if err := o.write(to, console, nil, whatMisses(o.hasPolicies(), values)); err != nil {
			return err
		}
		return o.verdict(nil)
	}
	question, err := o.question(values)
	if err != nil {
		return err
	}
	explanation, err := o.explain(ctx, to, question)
	if err != nil {
		return err
	}
	if err := o.write(to, console, explanation, ""); err != nil {
		return err
	}
	return o.verdict(explanation)
}

func (o *explainOptions) hasPolicies() bool {
	return len(o.policies.values) > 0 || o.client.server.value != ""
}

// verdict is how the command ends.
func (o *explainOptions) verdict(e *explain.Explanation) error {
	if o.exitCode && (e == nil || e.Outcome != explain.OutcomeAllowed) {
		return errBlocked
	}
	return nil
}

// maxConsole is how much of the standard input is read.
const maxConsole = 64 << 10

func (o *explainOptions) readConsole() (*explain.Console, error) {
	text := o.console.value
	if text == "-" {
		input, err := io.ReadAll(io.LimitReader(os.Stdin, maxConsole))
		if err != nil {
			return nil, fmt.Errorf("reading the console's text: %w", err)
		}
		text = string(input)
	}
	return explain.ReadConsole(text), nil
}

// whatMisses says what a console's text lacks for its call to be explained.
func whatMisses(policies bool, values url.Values) string {
	var flags []string
	if !policies {
		flags = append(flags, "--policy or --server")
	}
	for _, name := range []string{"origin", "url"} {
		if !values.Has(name) {
			flags = append(flags, "--"+name)
		}
	}
	return "To have the call explained, add " + strings.Join(flags, " and ") + "."
}

// question reads the flags.
func (o *explainOptions) question(values url.Values) (explain.Question, error) {
	var errs []error
	switch {
	case !o.hasPolicies():
		errs = append(errs, errors.New("no policies given; name a file or a folder with --policy PATH, or a running corsgate with --server ADDRESS"))
	case len(o.policies.values) > 0 && o.client.server.value != "":
		errs = append(errs, errors.New("--policy and --server are both given; the policies of which?"))
	}
	question, err := explain.ParseQuestion(values)
	if errs = append(errs, err); errors.Join(errs...) != nil {
		return explain.Question{}, &usageError{err: errors.Join(errs...)}
	}
	return question, nil
}

// explain asks the files or the server.
func (o *explainOptions) explain(ctx context.Context, to streams, question explain.Question) (*explain.Explanation, error) {
	if o.client.server.value != "" {
		asked, err := o.client.connect(o.flags)
		if err != nil {
			return nil, err
		}
		defer asked.close()
		return askServer(ctx, asked, &question)
	}
	files := source.NewFile(o.policies.values, source.FileOptions{Logger: slog.New(slog.DiscardHandler)})
	snapshot, err := files.Load(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading policies: %w", err)
	}
	options := policy.Options{Now: time.Now(), Breaches: policy.BreachesBarred}
	if o.noPolicy.value == noPolicyPass {
		options.NoPolicy = policy.DispositionPass
	}
	set, problems := server.CompileSnapshot(snapshot, options)
	if set == nil {
		errs := problems.Errors()
		sayf(to.err, "%s\ncorsgate: %s; nothing can be explained before they are mended\n", errs.Error(), countProblems(errs))
		return nil, errInvalid
	}
	explanation, err := explain.Explain(explain.Policies{Set: set, Documents: snapshot.Documents, Options: options}, question)
	if err != nil {
		return nil, fmt.Errorf("explaining: %w", err)
	}
	return explanation, nil
}

func (o *explainOptions) write(to streams, console *explain.Console, e *explain.Explanation, hint string) error {
	if o.output.value == outputJSON {
		if console != nil {
			return writeJSON(to.out, &explained{Console: console, Explanation: e})
		}
		return writeJSON(to.out, e)
	}
	style := explain.Style{Colour: showsColour(to.out)}
	if console != nil {
		if err := console.WriteText(to.out, style); err != nil {
			return fmt.Errorf("writing what the console's text means: %w", err)
		}
		if hint != "" {
			_, err := fmt.Fprintln(to.out, hint)
			return err
		}
		if _, err := fmt.Fprintln(to.out); err != nil {
			return fmt.Errorf("writing the explanation: %w", err)
		}
	}
	if err := e.WriteText(to.out, style); err != nil {
		return fmt.Errorf("writing the explanation: %w", err)
	}
	return nil
}

// showsColour reports whether a writer is a terminal, and whoever sits there has
// nothing against colours (https://no-color.org).
func showsColour(to io.Writer) bool {
	return isTerminal(to) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// isTerminal reports whether somebody sits at the other end of a stream, or
// nobody at all: /dev/null is a device, too.
func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
