#include "boxcar/runtime/files/pickle_reader.h"

#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/files/pickle_cursor.h"
#include "boxcar/runtime/files/pickle_cycles.h"
#include "boxcar/runtime/files/pickle_opcodes.h"
#include "boxcar/runtime/files/quote.h"

namespace boxcar {
namespace {

using Items = PickleValue::Items;
using Kind = PickleValue::Kind;
using Op = PickleOp;

constexpr int kLatestProtocol = 5;

std::string full_name(std::string_view module, std::string_view name) {
  return std::string(module == "__builtin__" ? "builtins" : module).append(".").append(name);
}

// Two's complement, least byte first. What 64 bits cannot hold stays bytes, in an inert record.
PickleValue integer_of(std::string_view bytes) {
  const bool is_negative = !bytes.empty() && (static_cast<unsigned char>(bytes.back()) & 0x80u);
  if (bytes.size() > sizeof(std::int64_t)) {
    return PickleValue::record("builtins.int", PickleValue::bytes(std::string(bytes)));
  }
  std::uint64_t value = is_negative ? ~std::uint64_t{0} : 0;
  for (std::size_t i = bytes.size(); i-- > 0;) value = (value << 8) | static_cast<unsigned char>(bytes[i]);
  return static_cast<std::int64_t>(value);
}

class Machine {
 public:
  Machine(std::string_view bytes, PickleMeaning& meaning) : in_(bytes), meaning_(meaning) {}
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;
  // Values that contain themselves would keep each other alive: all of them after a failure, else those that the
  // result does not lead to.
  ~Machine() {
    for (PickleValue& value : changeable_) {
      if (!is_finished_ || !reachable_.contains(value.identity())) value.clear();
    }
  }

  PickleValue run() {
    read_protocol();
    while (true) {
      op_position_ = in_.position();
      if (in_.at_end()) fail<IoError>("the pickle ends without STOP at byte {}", op_position_);
      const auto op = static_cast<Op>(in_.number<unsigned char>());
      if (op == Op::kStop) break;
      step(op);
    }
    PickleValue root = pop();
    reachable_ = cut_cycles(root);
    is_finished_ = true;
    return root;
  }

 private:
  void read_protocol() {
    const bool has_header = !in_.at_end() && in_.number<unsigned char>() == static_cast<unsigned char>(Op::kProto);
    if (!has_header) fail<IoError>("data.pkl is not a pickle of protocol 2 or later");
    check_protocol();
  }

  void check_protocol() {
    const int protocol = in_.number<unsigned char>();
    if (protocol < 2 || protocol > kLatestProtocol) {
      fail<IoError>("the pickle has protocol {}; 2 to {} can be read", protocol, kLatestProtocol);
    }
  }

  void step(Op op) {
    if (step_scalar(op) || step_text(op) || step_container(op) || step_memo(op) || step_object(op)) return;
    fail<IoError>("the pickle has opcode 0x{:02x} at byte {}, which a reader of data alone does not know",
                  static_cast<unsigned>(op), op_position_);
  }

  bool step_scalar(Op op) {
    switch (op) {
      case Op::kProto:
        check_protocol();
        return true;
      case Op::kFrame:
        in_.number<std::uint64_t>();
        return true;  // a hint for buffering
      case Op::kNone:
        push(nullptr);
        return true;
      case Op::kNewTrue:
        push(true);
        return true;
      case Op::kNewFalse:
        push(false);
        return true;
      case Op::kBinInt:
        push(in_.number<std::int32_t>());
        return true;
      case Op::kBinInt1:
        push(in_.number<std::uint8_t>());
        return true;
      case Op::kBinInt2:
        push(in_.number<std::uint16_t>());
        return true;
      case Op::kLong1:
        push(integer_of(in_.take(in_.number<std::uint8_t>())));
        return true;
      case Op::kLong4:
        push(integer_of(in_.take(in_.number<std::uint32_t>())));
        return true;
      case Op::kBinFloat:
        push(in_.big_endian_double());
        return true;
      default:
        return false;
    }
  }

  bool step_text(Op op) {
    switch (op) {
      case Op::kBinUnicode:
        push_text(in_.number<std::uint32_t>());
        return true;
      case Op::kShortBinUnicode:
        push_text(in_.number<std::uint8_t>());
        return true;
      case Op::kBinUnicode8:
        push_text(in_.number<std::uint64_t>());
        return true;
      // Python 2's strings: texts in all files of interest.
      case Op::kBinString:
        push_text(in_.number<std::uint32_t>());
        return true;
      case Op::kShortBinString:
        push_text(in_.number<std::uint8_t>());
        return true;
      case Op::kBinBytes:
        push_bytes(in_.number<std::uint32_t>());
        return true;
      case Op::kShortBinBytes:
        push_bytes(in_.number<std::uint8_t>());
        return true;
      case Op::kBinBytes8:
        push_bytes(in_.number<std::uint64_t>());
        return true;
      default:
        return false;
    }
  }

  bool step_container(Op op) {
    switch (op) {
      case Op::kMark:
        marks_.push_back(stack_.size());
        return true;
      case Op::kEmptyList:
        push_changeable(PickleValue::list());
        return true;
      case Op::kEmptyDict:
        push_changeable(PickleValue::dict());
        return true;
      case Op::kEmptySet:
        push_changeable(PickleValue::set());
        return true;
      case Op::kEmptyTuple:
        push_new(PickleValue::tuple());
        return true;
      case Op::kTuple1:
        push_new(PickleValue::tuple(pop_items(1)));
        return true;
      case Op::kTuple2:
        push_new(PickleValue::tuple(pop_items(2)));
        return true;
      case Op::kTuple3:
        push_new(PickleValue::tuple(pop_items(3)));
        return true;
      case Op::kTuple:
        push_new(PickleValue::tuple(pop_to_mark()));
        return true;
      case Op::kList:
        push_changeable(PickleValue::list(pop_to_mark()));
        return true;
      case Op::kFrozenSet:
        push_new(PickleValue::set(pop_to_mark()));
        return true;
      case Op::kDict:
        add_dict();
        return true;
      case Op::kAppend:
        add_items(Kind::kList, pop_items(1));
        return true;
      case Op::kAppends:
        add_items(Kind::kList, pop_to_mark());
        return true;
      case Op::kAddItems:
        add_items(Kind::kSet, pop_to_mark());
        return true;
      case Op::kSetItem:
        add_entries(pop_items(2));
        return true;
      case Op::kSetItems:
        add_entries(pop_to_mark());
        return true;
      default:
        return false;
    }
  }

  bool step_memo(Op op) {
    switch (op) {
      case Op::kPop:
        pop_or_mark();
        return true;
      case Op::kPopMark:
        pop_to_mark();
        return true;
      case Op::kDup:
        push(top());
        return true;
      case Op::kBinPut:
        remember(in_.number<std::uint8_t>());
        return true;
      case Op::kLongBinPut:
        remember(in_.number<std::uint32_t>());
        return true;
      case Op::kMemoize:
        remember(static_cast<std::uint32_t>(memo_.size()));
        return true;
      case Op::kBinGet:
        recall(in_.number<std::uint8_t>());
        return true;
      case Op::kLongBinGet:
        recall(in_.number<std::uint32_t>());
        return true;
      default:
        return false;
    }
  }

  bool step_object(Op op) {
    switch (op) {
      case Op::kGlobal:
        mention_global();
        return true;
      case Op::kStackGlobal:
        mention_stacked_global();
        return true;
      case Op::kReduce:
        call();
        return true;
      case Op::kNewObj:
        instantiate(pop());
        return true;
      case Op::kNewObjEx:
        instantiate(PickleValue::tuple(pop_items(2)));
        return true;
      case Op::kBuild:
        build();
        return true;
      case Op::kBinPersId:
        push_changeable(meaning_.outside(pop()));
        return true;
      default:
        return false;
    }
  }

  // --- the stack

  std::size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }

  void need(std::size_t count) const {
    if (stack_.size() - floor() < count) {
      fail<IoError>("pickle stack underflow: the opcode at byte {} finds too few values", op_position_);
    }
  }

  void push(PickleValue value) { stack_.push_back(std::move(value)); }
  void push_new(PickleValue value) {
    if (++values_ > kMostPickleValues) fail<IoError>("the pickle holds more than {} values", kMostPickleValues);
    push(std::move(value));
  }
  void push_changeable(PickleValue value) {
    push_new(value);
    changeable_.push_back(std::move(value));
  }
  void push_text(std::uint64_t length) { push_new(std::string(in_.take(length))); }
  void push_bytes(std::uint64_t length) { push_new(PickleValue::bytes(std::string(in_.take(length)))); }

  PickleValue& top() {
    need(1);
    return stack_.back();
  }
  PickleValue pop() {
    PickleValue value = std::move(top());
    stack_.pop_back();
    return value;
  }
  Items pop_items(std::size_t count) {
    need(count);
    Items items(std::make_move_iterator(stack_.end() - static_cast<std::ptrdiff_t>(count)),
                std::make_move_iterator(stack_.end()));
    stack_.resize(stack_.size() - count);
    return items;
  }
  Items pop_to_mark() {
    if (marks_.empty()) fail<IoError>("pickle stack underflow: the opcode at byte {} finds no mark", op_position_);
    Items items = pop_items(stack_.size() - marks_.back());
    marks_.pop_back();
    return items;
  }
  void pop_or_mark() {
    if (!marks_.empty() && marks_.back() == stack_.size()) {
      marks_.pop_back();
    } else {
      pop();
    }
  }

  // --- containers

  void add_items(Kind kind, Items items) {
    if (top().kind() != kind) fail_target("items");
    for (PickleValue& item : items) top().push_back(std::move(item));
  }

  void add_entries(Items items) {
    if (top().kind() != Kind::kDict) fail_target("keys");
    if (items.size() % 2 != 0) fail<IoError>("the pickle sets a key without a value at byte {}", op_position_);
    for (std::size_t i = 0; i < items.size(); i += 2) {
      top().append_entry(std::move(items[i]), std::move(items[i + 1]));
    }
  }

  void add_dict() {
    Items items = pop_to_mark();
    push_changeable(PickleValue::dict());
    add_entries(std::move(items));
  }

  [[noreturn]] void fail_target(const char* what) {
    const std::string name(top().class_name());
    fail<IoError>("the pickle adds {} to {}{} at byte {}", what, top().kind_name(),
                  name.empty() ? "" : " of class " + quote(name), op_position_);
  }

  // --- memo

  void remember(std::uint32_t index) {
    memo_[index] = top();
    if (memo_.size() > kMostPickleValues) fail<IoError>("the pickle remembers more than {} values", kMostPickleValues);
  }
  void recall(std::uint32_t index) {
    const auto found = memo_.find(index);
    if (found == memo_.end()) fail<IoError>("bad memo index {} at byte {} of the pickle", index, op_position_);
    push(found->second);
  }

  // --- classes and functions: names, and nothing but names

  void mention_global() {
    const auto module = in_.line();
    push_new(PickleValue::global(full_name(module, in_.line())));
  }

  void mention_stacked_global() {
    const Items parts = pop_items(2);
    if (!parts[0].text() || !parts[1].text()) fail<IoError>("the pickle names a class by {}", parts[0].kind_name());
    push_new(PickleValue::global(full_name(*parts[0].text(), *parts[1].text())));
  }

  std::string pop_global(const char* action) {
    const PickleValue global = pop();
    if (global.kind() != Kind::kGlobal) {
      fail<IoError>("the pickle {} {} at byte {}", action, global.kind_name(), op_position_);
    }
    return std::string(global.class_name());
  }

  void call() {
    const PickleValue arguments = pop();
    PickleValue result = meaning_.call(pop_global("calls"), arguments);
    // A constructor's result is filled by the opcodes that follow, as an EMPTY_DICT would be.
    push_changeable(std::move(result));
  }

  void instantiate(PickleValue arguments) {
    push_changeable(PickleValue::record(pop_global("instantiates"), std::move(arguments)));
  }

  void build() {
    PickleValue state = pop();
    const Kind kind = top().kind();
    if (kind != Kind::kRecord && kind != Kind::kDict && kind != Kind::kStoredTensor) fail_target("attributes");
    top().set_state(std::move(state));
  }

  PickleCursor in_;
  PickleMeaning& meaning_;
  std::vector<PickleValue> stack_;
  std::vector<std::size_t> marks_;
  std::unordered_map<std::uint32_t, PickleValue> memo_;
  std::vector<PickleValue> changeable_;  // what a cycle can run through
  std::size_t values_ = 0;
  std::size_t op_position_ = 0;
  std::unordered_set<const void*> reachable_;  // from the result
  bool is_finished_ = false;
};

}  // namespace

PickleValue read_pickle(std::string_view bytes, PickleMeaning& meaning) { return Machine(bytes, meaning).run(); }

}  // namespace boxcar
