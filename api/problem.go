package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"

	"anomalystream/streams"
)

// problem makes an RFC 9457 error. Detail is for the caller: never the text of an internal error.
func problem(status int, detail string, errs ...error) huma.StatusError {
	return huma.NewError(status, detail, errs...)
}

// badField makes an error of one field of the request, for problem.
func badField(location, message string, value any) error {
	return &huma.ErrorDetail{Location: location, Message: message, Value: value}
}

// fault turns the error of a part into what the caller may know, and logs the rest.
func (s *Server) fault(ctx context.Context, doing string, err error) error {
	var status huma.StatusError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &status):
		return err
	case errors.Is(err, streams.ErrNotFound):
		return problem(http.StatusNotFound, "nothing has this id")
	case errors.Is(err, streams.ErrBadCursor):
		return problem(http.StatusUnprocessableEntity, "validation failed",
			badField("query.cursor", "not a cursor of this list, or of another sort order", nil))
	case ctx.Err() != nil && errors.Is(ctx.Err(), context.Canceled):
		return problem(499, "the client went away")
	}
	s.log.Error(doing, "error", err, "request_id", requestID(ctx))
	return huma.ErrorWithHeaders(problem(http.StatusServiceUnavailable, doing+" is not possible at the moment: try again soon"),
		http.Header{"Retry-After": {"1"}})
}

// errorHandler writes the errors that echo or a middleware returns as problem+json.
func (s *Server) errorHandler(err error, c echo.Context) {
	if c.Response().Committed {
		return
	}
	model := &huma.ErrorModel{Status: http.StatusInternalServerError, Detail: "internal error"}
	var httpErr *echo.HTTPError
	var status huma.StatusError
	switch {
	case errors.As(err, &status):
		if m, ok := status.(*huma.ErrorModel); ok {
			model = m
		} else {
			model = &huma.ErrorModel{Status: status.GetStatus(), Detail: status.Error()}
		}
	case errors.As(err, &httpErr):
		model = &huma.ErrorModel{Status: httpErr.Code}
		switch httpErr.Code {
		case http.StatusNotFound:
			model.Detail = "no such path"
		case http.StatusMethodNotAllowed:
			model.Detail = "the path does not take this method"
		case http.StatusRequestEntityTooLarge:
			model.Detail = "the body is too large"
		}
	default:
		s.log.Error("handling a request", "error", err, "path", c.Path(), "request_id", requestID(c.Request().Context()))
	}
	writeProblem(c.Response(), model)
}

func writeProblem(w http.ResponseWriter, model *huma.ErrorModel) {
	if model.Title == "" {
		model.Title = http.StatusText(model.Status)
	}
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Del("Content-Encoding")
	if model.Status == http.StatusServiceUnavailable || model.Status == http.StatusTooManyRequests {
		h.Set("Retry-After", "1")
	}
	w.WriteHeader(model.Status)
	_ = json.NewEncoder(w).Encode(model) // net/http drops it where the request was HEAD.
}
