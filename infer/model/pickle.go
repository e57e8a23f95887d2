package model

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The unpickler (gopickle) runs no code, but it trusts lengths, resolves some classes by itself, and prints whole objects
// into its errors. So a state dict's pickle is first walked here: every opcode must be one that PyTorch writes for a
// state dict, every length must fit the file, every class must be a known one, and every operand must be of the kind its
// opcode needs. What passes holds no object that contains itself and cannot make the unpickler fail.

// pickleKind is what an entry of the unpickler's stack is, as far as it matters here.
type pickleKind uint8

const (
	kindScalar    pickleKind = iota // number, bool, None
	kindString                      //
	kindTuple                       //
	kindClass                       // a name from knownGlobals
	kindDict                        // dict or OrderedDict: the only things that can be changed after they are made
	kindObject                      // a tensor or storage
	kindMark                        //
	kindNeverMade                   // memo entries not yet written
)

// knownGlobals are the classes and functions that a state dict may name, with what calling them makes.
var knownGlobals = map[string]pickleKind{
	"collections.OrderedDict":         kindDict,
	"torch._utils._rebuild_tensor_v2": kindObject,
	"torch._utils._rebuild_parameter": kindObject,
	"torch.FloatStorage":              kindNeverMade, // storages are only named, never called
	"torch.HalfStorage":               kindNeverMade,
	"torch.BFloat16Storage":           kindNeverMade,
	"torch.DoubleStorage":             kindNeverMade,
	"torch.LongStorage":               kindNeverMade,
	"torch.IntStorage":                kindNeverMade,
	"torch.ShortStorage":              kindNeverMade,
	"torch.CharStorage":               kindNeverMade,
	"torch.ByteStorage":               kindNeverMade,
	"torch.BoolStorage":               kindNeverMade,
}

type pickleEntry struct {
	kind  pickleKind
	class string // of kindClass
}

const (
	maxMarks = 64      // nesting depth; PyTorch's state dicts have under 10
	maxMemo  = 1 << 22 // highest memo number
)

// pickleChecker walks a pickle.
type pickleChecker struct {
	b     []byte
	pos   int
	stack []pickleEntry
	marks int
	memo  map[uint32]pickleEntry
}

// checkPickle refuses what is not the pickle of a state dict.
func checkPickle(b []byte) error {
	c := &pickleChecker{b: b, memo: map[uint32]pickleEntry{}}
	for {
		at := c.pos
		stop, err := c.step()
		if err != nil {
			return fmt.Errorf("its pickle at byte %d: %w", at, err)
		}
		if stop {
			return nil
		}
	}
}

func (c *pickleChecker) step() (stop bool, err error) {
	op, err := c.take(1)
	if err != nil {
		return false, err
	}
	switch op[0] {
	case '.': // STOP
		_, err := c.pop(kindDict)
		return true, err
	case 0x80: // PROTO
		return false, c.proto()
	case '(': // MARK
		return false, c.mark()
	case 'N', 0x88, 0x89: // NONE, NEWTRUE, NEWFALSE
		c.push(kindScalar)
	case 'K': // BININT1
		return false, c.scalar(1)
	case 'M': // BININT2
		return false, c.scalar(2)
	case 'J': // BININT
		return false, c.scalar(4)
	case 'G': // BINFLOAT
		return false, c.scalar(8)
	case 0x8a: // LONG1
		return false, c.long()
	case 'X': // BINUNICODE
		return false, c.text()
	case 'c': // GLOBAL
		return false, c.global()
	case '}': // EMPTY_DICT
		c.push(kindDict)
	case ')': // EMPTY_TUPLE
		c.push(kindTuple)
	default:
		return false, c.compose(op[0])
	}
	return false, nil
}

// compose handles the opcodes that work on what is on the stack.
func (c *pickleChecker) compose(op byte) error {
	switch op {
	case 't': // TUPLE
		if _, err := c.popMark(); err != nil {
			return err
		}
		c.push(kindTuple)
	case 0x85, 0x86, 0x87: // TUPLE1..3
		for range op - 0x84 {
			if _, err := c.popAny(); err != nil {
				return err
			}
		}
		c.push(kindTuple)
	case 'R': // REDUCE
		return c.reduce()
	case 'Q': // BINPERSID
		if _, err := c.pop(kindTuple); err != nil {
			return err
		}
		c.push(kindObject)
	case 's': // SETITEM
		return c.setItem()
	case 'u': // SETITEMS
		return c.setItems()
	case 'b': // BUILD
		return c.build()
	case 'q': // BINPUT
		return c.put(1)
	case 'r': // LONG_BINPUT
		return c.put(4)
	case 'h': // BINGET
		return c.get(1)
	case 'j': // LONG_BINGET
		return c.get(4)
	default:
		return fmt.Errorf("opcode 0x%02x is not one that PyTorch writes for weights; expected a state dict saved with torch.save", op)
	}
	return nil
}

var errPickleEnd = errors.New("it ends too early")

func (c *pickleChecker) take(n int) ([]byte, error) {
	if n < 0 || n > len(c.b)-c.pos {
		return nil, errPickleEnd
	}
	c.pos += n
	return c.b[c.pos-n : c.pos], nil
}

// number reads a little-endian unsigned number of n bytes.
func (c *pickleChecker) number(n int) (uint32, error) {
	b, err := c.take(n)
	if err != nil {
		return 0, err
	}
	var full [4]byte
	copy(full[:], b)
	return binary.LittleEndian.Uint32(full[:]), nil
}

func (c *pickleChecker) push(k pickleKind) { c.stack = append(c.stack, pickleEntry{kind: k}) }

func (c *pickleChecker) popAny() (pickleEntry, error) {
	if len(c.stack) == 0 || c.stack[len(c.stack)-1].kind == kindMark {
		return pickleEntry{}, errors.New("an operand is missing")
	}
	e := c.stack[len(c.stack)-1]
	c.stack = c.stack[:len(c.stack)-1]
	return e, nil
}

func (c *pickleChecker) pop(want pickleKind) (pickleEntry, error) {
	e, err := c.popAny()
	if err == nil && e.kind != want {
		err = errors.New("an operand is of the wrong kind; expected a state dict")
	}
	return e, err
}

func (c *pickleChecker) proto() error {
	v, err := c.number(1)
	if err == nil && v != 2 {
		err = fmt.Errorf("protocol %d; expected 2, which torch.save writes", v)
	}
	return err
}

func (c *pickleChecker) mark() error {
	if c.marks++; c.marks > maxMarks {
		return fmt.Errorf("over %d levels deep", maxMarks)
	}
	c.push(kindMark)
	return nil
}

func (c *pickleChecker) popMark() ([]pickleEntry, error) {
	for i := len(c.stack) - 1; i >= 0; i-- {
		if c.stack[i].kind == kindMark {
			items := c.stack[i+1:]
			c.stack = c.stack[:i]
			c.marks--
			return items, nil
		}
	}
	return nil, errors.New("a mark is missing")
}

func (c *pickleChecker) scalar(n int) error {
	_, err := c.take(n)
	c.push(kindScalar)
	return err
}

func (c *pickleChecker) long() error {
	n, err := c.number(1)
	if err != nil {
		return err
	}
	if n < 1 || n > 8 {
		return fmt.Errorf("a number of %d bytes; expected 1 to 8", n)
	}
	return c.scalar(int(n))
}

func (c *pickleChecker) text() error {
	n, err := c.number(4)
	if err != nil {
		return err
	}
	if _, err := c.take(int(n)); err != nil {
		return fmt.Errorf("a text of %d bytes: %w", n, err)
	}
	c.push(kindString)
	return nil
}

func (c *pickleChecker) global() error {
	var part [2]string
	for i := range part {
		end := slices.Index(c.b[c.pos:min(len(c.b), c.pos+200)], '\n')
		if end < 0 {
			return errPickleEnd
		}
		part[i] = string(c.b[c.pos : c.pos+end])
		c.pos += end + 1
	}
	name := strings.Join(part[:], ".")
	if _, ok := knownGlobals[name]; !ok {
		return fmt.Errorf("it names %.80q; expected nothing but tensors (nothing was run)", name)
	}
	c.stack = append(c.stack, pickleEntry{kindClass, name})
	return nil
}

func (c *pickleChecker) reduce() error {
	if _, err := c.pop(kindTuple); err != nil {
		return err
	}
	class, err := c.pop(kindClass)
	if err != nil {
		return err
	}
	made := knownGlobals[class.class]
	if made == kindNeverMade {
		return fmt.Errorf("it calls %s", class.class)
	}
	c.push(made)
	return nil
}

func (c *pickleChecker) setItem() error {
	if _, err := c.popAny(); err != nil {
		return err
	}
	if _, err := c.pop(kindString); err != nil {
		return err
	}
	return c.keepDict()
}

func (c *pickleChecker) setItems() error {
	items, err := c.popMark()
	if err != nil {
		return err
	}
	if len(items)%2 != 0 {
		return errors.New("a key without a value")
	}
	for i := 0; i < len(items); i += 2 {
		if items[i].kind != kindString {
			return errors.New("a key that is no text")
		}
	}
	return c.keepDict()
}

// keepDict makes sure that a dict lies on top.
func (c *pickleChecker) keepDict() error {
	if _, err := c.pop(kindDict); err != nil {
		return err
	}
	c.push(kindDict)
	return nil
}

// build sets attributes (a state dict's _metadata) from a dict.
func (c *pickleChecker) build() error {
	if _, err := c.pop(kindDict); err != nil {
		return err
	}
	return c.keepDict()
}

func (c *pickleChecker) put(n int) error {
	i, err := c.number(n)
	if err != nil {
		return err
	}
	if len(c.stack) == 0 || c.stack[len(c.stack)-1].kind == kindMark {
		return errors.New("nothing to remember")
	}
	if i > maxMemo {
		return fmt.Errorf("memo number %d", i)
	}
	c.memo[i] = c.stack[len(c.stack)-1]
	return nil
}

// get recalls only what cannot be changed any more, so that nothing can contain itself.
func (c *pickleChecker) get(n int) error {
	i, err := c.number(n)
	if err != nil {
		return err
	}
	e, ok := c.memo[i]
	if !ok || e.kind == kindDict {
		return fmt.Errorf("memo entry %d is not there or is a dict", i)
	}
	c.stack = append(c.stack, e)
	return nil
}
