package policyservice

import (
	"context"
	"slices"
	"strings"

	"connectrpc.com/connect"
)

const (
	methodApply    = "Apply"
	methodDelete   = "Delete"
	methodRollback = "Rollback"
	methodWatch    = "Watch"
)

// methods returns the names of the service's methods: the labels of its metric.
func methods() []string {
	return []string{"List", "Get", methodApply, methodDelete, "History", methodRollback, methodWatch, "Explain", "Status"}
}

func isMethod(name string) bool { return slices.Contains(methods(), name) }

// writes reports whether a method changes something.
func writes(method string) bool {
	return method == methodApply || method == methodDelete || method == methodRollback
}

// methodOf returns the method of a procedure.
func methodOf(procedure string) string { return procedure[strings.LastIndexByte(procedure, '/')+1:] }

// codeOK is the code of a call that went well.
const codeOK = "ok"

// Methods returns the names of the service's methods.
func Methods() []string { return methods() }

// An observer counts what the service answers.
type observer struct{ service *Service }

var _ connect.Interceptor = observer{}

func (o observer) count(procedure string, err error) {
	code := codeOK
	if err != nil {
		code = connect.CodeOf(err).String()
	}
	o.service.options.Observe(methodOf(procedure), code)
}

// WrapUnary counts calls that have one answer.
func (o observer) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, request connect.AnyRequest) (connect.AnyResponse, error) {
		sessionOf(ctx).read = true
		response, err := next(ctx, request)
		o.count(request.Spec().Procedure, err)
		return response, err
	}
}

// WrapStreamingClient changes nothing: the service calls nobody.
func (observer) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}

// WrapStreamingHandler counts calls that last, when they end.
func (o observer) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, conn connect.StreamingHandlerConn) error {
		sessionOf(ctx).read = true // what cannot be read is an error of next
		err := next(ctx, conn)
		o.count(conn.Spec().Procedure, err)
		return err
	}
}
