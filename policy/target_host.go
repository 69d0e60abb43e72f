package policy

// ParseTargetHost reads an entry of a target's `hosts` into a key that has no
// path. What is wrong with it is a problem that has no position, or nil.
func ParseTargetHost(text string) (TargetKey, *Problem) {
	key, f := parseTargetHost(text)
	if f != nil {
		return TargetKey{}, &Problem{Code: f.code, Reason: f.reason, Mend: f.mend}
	}
	return key, nil
}

// CoversHost reports whether all hosts and ports that another key names are among
// those that k names, whatever their paths.
func (k TargetKey) CoversHost(other TargetKey) bool {
	switch {
	case k.Port != 0 && k.Port != other.Port:
		return false
	case k.Host == "": // "*"
		return true
	case !k.Below:
		return !other.Below && k.Host == other.Host
	case other.Host == k.Host:
		return other.Below
	default:
		n := len(other.Host) - len(k.Host)
		return n > 1 && other.Host[n-1] == '.' && other.Host[n:] == k.Host
	}
}
