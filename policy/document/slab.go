package document

import "go.yaml.in/yaml/v4"

const (
	// bytesOfNode is how many bytes of a policy make a node, about.
	bytesOfNode = 10
	// fewestNodes is how many nodes are made at once at least.
	fewestNodes = 8
)

// A slab makes the nodes of a tree, many at once: they live and die together, and
// the next tree has their memory. What lies in a node is gathered before it is known
// how much that is. The zero value is ready to begin.
type slab struct {
	nodes    []yaml.Node
	links    []*yaml.Node
	gathered []*yaml.Node
}

// begin ends the tree before, and makes room for one of a piece of some bytes.
func (s *slab) begin(size int) {
	s.clear()
	if n := size/bytesOfNode + fewestNodes; cap(s.nodes) < n {
		s.nodes = make([]yaml.Node, 0, n)
		s.links = make([]*yaml.Node, 0, n)
	}
}

// clear ends the tree: nobody may look at its nodes from here on.
func (s *slab) clear() {
	clear(s.nodes)
	clear(s.links)
	clear(s.gathered[:cap(s.gathered)])
	s.nodes, s.links, s.gathered = s.nodes[:0], s.links[:0], s.gathered[:0]
}

// node returns a new node.
func (s *slab) node() *yaml.Node {
	if len(s.nodes) == cap(s.nodes) {
		s.nodes = make([]yaml.Node, 0, 2*cap(s.nodes)) // The others stay where they are.
	}
	s.nodes = s.nodes[:len(s.nodes)+1]
	return &s.nodes[len(s.nodes)-1]
}

// open begins to gather what lies in a node, and returns what close wants to know.
// Nodes may lie within each other, but not across.
func (s *slab) open() int { return len(s.gathered) }

// add adds a node to what is gathered.
func (s *slab) add(n *yaml.Node) { s.gathered = append(s.gathered, n) }

// close puts into a node what was gathered since open.
func (s *slab) close(n *yaml.Node, first int) {
	inside := s.gathered[first:]
	if len(inside) == 0 {
		return
	}
	from := len(s.links)
	s.links = append(s.links, inside...) // Others keep what they lie in where it moves.
	n.Content = s.links[from:len(s.links):len(s.links)]
	s.gathered = s.gathered[:first]
}
