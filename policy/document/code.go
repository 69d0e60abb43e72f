package document

// The codes of the problems that reading can find. They are stable: tools may
// rely on them.
const (
	codeTooLarge        = "too_large"
	codeTooMany         = "too_many_problems"
	codeTooDeep         = "too_deep"
	codeNotUTF8         = "not_utf8"
	codeHiddenCharacter = "hidden_character"
	codeDirective       = "directive"
	codeSyntax          = "syntax"
	codeNotAMapping     = "not_a_mapping"
	codeAnchor          = "anchor"
	codeAlias           = "alias"
	codeMergeKey        = "merge_key"
	codeTag             = "tag"
	codeKeyNotText      = "key_not_text"
	codeDuplicateKey    = "duplicate_key"
	codeMissingField    = "missing_field"
	codeUnknownField    = "unknown_field"
	codeUnknownVersion  = "unknown_version"
	codeUnknownKind     = "unknown_kind"
	codeUnknownWord     = "unknown_word"
	codeBadName         = "bad_name"
	codeWrongType       = "wrong_type"
	codeOutOfRange      = "out_of_range"
	codeAmbiguousText   = "ambiguous_text"
	codeNullValue       = "null_value"
	codeEmptyText       = "empty_text"
	codeEmptyList       = "empty_list"
	codeEmptyItem       = "empty_item"
)
