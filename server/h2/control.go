package h2

import (
	"encoding/binary"
	"fmt"
	"time"

	"golang.org/x/net/http2"
)

// controlFrame takes a frame that carries nothing of a request. Frames of unknown
// types are passed over (RFC 9113, section 5.5).
func (c *conn) controlFrame(f *frame) error {
	switch f.kind {
	case http2.FrameSettings:
		return c.settings(f)
	case http2.FramePing:
		return c.ping(f)
	case http2.FrameRSTStream:
		return c.reset(f)
	case http2.FramePriority:
		return c.priority(f)
	case http2.FramePushPromise:
		return &connError{http2.ErrCodeProtocol, "PUSH_PROMISE of a client"}
	case http2.FrameGoAway:
		const shortest = 8
		switch {
		case f.stream != 0:
			return &connError{http2.ErrCodeProtocol, "GOAWAY on a stream"}
		case len(f.payload) < shortest:
			return &connError{http2.ErrCodeFrameSize, "a GOAWAY of less than 8 bytes"}
		}
	}
	return nil
}

func (c *conn) ping(f *frame) error {
	var data pingData
	switch {
	case f.stream != 0:
		return &connError{http2.ErrCodeProtocol, "PING on a stream"}
	case len(f.payload) != len(data):
		return &connError{http2.ErrCodeFrameSize, "a PING that is not 8 bytes long"}
	}
	data = pingData(f.payload)
	if !f.flags.Has(http2.FlagPingAck) {
		c.output = appendPing(c.output, http2.FlagPingAck, data)
		return nil
	}
	if data == drainPing && c.drain.stage == drainAnnounced {
		c.announceEnd()
	}
	return nil
}

// reset takes a RST_STREAM: the peer has no more use for an answer.
func (c *conn) reset(f *frame) error {
	switch {
	case len(f.payload) != 4:
		return &connError{http2.ErrCodeFrameSize, "a RST_STREAM that is not 4 bytes long"}
	case c.neverOpen(f.stream):
		return &connError{http2.ErrCodeProtocol, "RST_STREAM of a stream that was never open"}
	}
	if s := c.streams[f.stream]; s != nil {
		s.ended = true // nothing more comes
		c.close(s)
	}
	return nil
}

// priority takes a PRIORITY frame, which means nothing any more (RFC 9113, section
// 5.3.2) but must be well-formed.
func (c *conn) priority(f *frame) error {
	const length = 5
	switch {
	case f.stream == 0:
		return &connError{http2.ErrCodeProtocol, "PRIORITY without a stream"}
	case len(f.payload) != length:
		return &connError{http2.ErrCodeFrameSize, "a PRIORITY that is not 5 bytes long"}
	case binary.BigEndian.Uint32(f.payload)&streamMask == f.stream:
		return &connError{http2.ErrCodeProtocol, "a stream that depends on itself"}
	}
	return nil
}

// resetStream ends one stream for an error of the peer's in it (RFC 9113, section
// 5.4.2).
func (c *conn) resetStream(stream uint32, code http2.ErrCode) error {
	c.output = appendReset(c.output, stream, code)
	if s := c.streams[stream]; s != nil {
		c.close(s)
	} else {
		c.resets.add(stream)
	}
	return c.watch.control() // or an error would cost the peer nothing
}

// neverOpen reports whether a stream is one that the peer has not opened.
func (c *conn) neverOpen(stream uint32) bool { return stream%2 == 0 || stream > c.last }

// settings takes what the peer says of itself (RFC 9113, section 6.5).
func (c *conn) settings(f *frame) error {
	const each = 6
	switch {
	case f.stream != 0:
		return &connError{http2.ErrCodeProtocol, "SETTINGS on a stream"}
	case f.flags.Has(http2.FlagSettingsAck) && len(f.payload) != 0, len(f.payload)%each != 0:
		return &connError{http2.ErrCodeFrameSize, fmt.Sprintf("SETTINGS of %d bytes", len(f.payload))}
	case f.flags.Has(http2.FlagSettingsAck):
		return nil
	}
	window := int64(-1)
	for at := 0; at < len(f.payload); at += each {
		setting := http2.Setting{
			ID:  http2.SettingID(binary.BigEndian.Uint16(f.payload[at:])),
			Val: binary.BigEndian.Uint32(f.payload[at+2:]),
		}
		if err := setting.Valid(); err != nil {
			code := http2.ErrCodeProtocol
			if setting.ID == http2.SettingInitialWindowSize {
				code = http2.ErrCodeFlowControl
			}
			return &connError{code, "the setting " + setting.String()}
		}
		switch setting.ID {
		case http2.SettingHeaderTableSize:
			c.answers.resize(setting.Val)
		case http2.SettingInitialWindowSize:
			window = int64(setting.Val)
		case http2.SettingMaxFrameSize:
			c.windows.frame = min(int(setting.Val), maxKept)
		}
	}
	// Once, however often it is said: it walks all streams.
	if window >= 0 {
		if err := c.resizeWindows(window); err != nil {
			return err
		}
	}
	c.output = appendSettingsAck(c.output)
	if !c.greeted {
		c.greeted = true
		if err := c.raw.SetDeadline(time.Time{}); err != nil {
			return fmt.Errorf("lifting the deadline: %w", err)
		}
		if c.drain.stage == drainAnnounced {
			c.sayDrain() // it began before there was anybody to tell
		}
	}
	return nil
}
