module github.com/corsgate/corsgate/envoy/peers

go 1.26.0

require (
	github.com/corsgate/corsgate v0.0.0
	github.com/rs/cors v1.11.1
)

require (
	golang.org/x/net v0.62.0 // indirect
	golang.org/x/text v0.43.0 // indirect
	google.golang.org/protobuf v1.36.12 // indirect
)

replace github.com/corsgate/corsgate => ../..
