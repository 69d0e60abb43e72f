package source

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/corsgate/corsgate/policy"
)

// The codes of the problems that a place of files has.
const (
	codeNoPath        = "no_path"
	codeNoPolicies    = "no_policies"
	codeFileEmpty     = "file_empty"
	codeFileTooLarge  = "file_too_large"
	codeFilesChanging = "files_changing"
	codePathKind      = "path_kind"
	codePathLoop      = "path_loop"
	codePathMissing   = "path_missing"
	codeUnreadable    = "path_unreadable"
	codeFolderLink    = "folder_link"
	codeHidden        = "document_hidden"
)

func problem(path, code, reason, mend string) policy.Problem {
	return policy.Problem{
		Severity: policy.SeverityError,
		Code:     code,
		Position: policy.Position{File: path},
		Reason:   reason,
		Mend:     mend,
	}
}

func problemNoPath() policy.Problem {
	return problem("", codeNoPath, "no path to read policies from is given", "name a file or a folder")
}

// problemAccess says why a path could not be looked at or read. The place is
// what the system knows the path as.
func problemAccess(path, place string, err error) policy.Problem {
	switch {
	case errors.Is(err, syscall.ELOOP):
		return problemLoop(path)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		if target, linkErr := os.Readlink(filepath.Clean(place)); linkErr == nil {
			return problem(path, codePathMissing,
				fmt.Sprintf("is a symbolic link to %q, which does not exist", target),
				"mend the link or remove it")
		}
		return problem(path, codePathMissing, "there is no such file or folder", "create it, or name another path")
	case errors.Is(err, fs.ErrPermission):
		return problem(path, codeUnreadable, "cannot be read: permission denied",
			"let the user that corsgate runs as read it, and enter the folders above it")
	default:
		return problem(path, codeUnreadable, "cannot be read: "+cause(err), "see what is wrong with the disk or the mount")
	}
}

// cause is an error without the path and the system call that it was about.
func cause(err error) string {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		return pathErr.Err.Error()
	}
	return err.Error()
}

func problemLoop(path string) policy.Problem {
	return problem(path, codePathLoop, "is a loop of symbolic links", "remove the link, or let it lead to a file")
}

func problemFolderLink(path, target string) policy.Problem {
	return problem(path, codeFolderLink,
		fmt.Sprintf("is a symbolic link to the folder %q, and links to folders are not followed", target),
		"name that folder as a path of its own and remove the link")
}

func problemKind(path string, mode fs.FileMode) policy.Problem {
	return problem(path, codePathKind,
		"is "+kind(mode)+", and policies are read from regular files alone",
		"write the policies to a file, or move this elsewhere")
}

func kind(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "a folder"
	case mode&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	case mode&fs.ModeDevice != 0:
		return "a device"
	default:
		return "no regular file"
	}
}

func problemTooLarge(path string, limit int64) policy.Problem {
	return problem(path, codeFileTooLarge, fmt.Sprintf("is larger than %d MiB", limit>>20), "split it into several files")
}

// problemEmpty is an error also where other files hold policies: most editors
// and tools empty a file before they write it, and what it held must not lapse
// for that moment.
func problemEmpty(path string) policy.Problem {
	return problem(path, codeFileEmpty, "is empty", "write a policy into it, or remove it")
}

func problemNoFiles(path string) policy.Problem {
	return problem(path, codeNoPolicies, "the folder holds no policy file",
		"put a *.yaml, *.yml or *.json file into it; hidden ones and *_test ones do not count")
}

func problemNoDocuments(path string, folder bool) policy.Problem {
	what := "the file holds"
	if folder {
		what = "the folder's files hold"
	}
	return problem(path, codeNoPolicies, what+" no policy document", "write a CorsPolicy into it")
}

func problemChanging(where string) policy.Problem {
	return problem(where, codeFilesChanging, "the files kept changing while they were read",
		"write each file under another name and rename it into place")
}
