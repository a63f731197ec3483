"""What every room may know: parameters, methods, events, errors, devices."""
