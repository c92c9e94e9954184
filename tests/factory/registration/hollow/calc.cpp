#include <string>
#include <vector>
#include <map>
namespace calc {
extern "C" { int plain(int a) { return a; } }
constexpr int four() { return 4; }
auto deduced() { return std::string("}"); }
auto typed(int a = 3) -> std::vector<int> { return {a, four()}; }
class Base { public: explicit Base(int n) : n_(n) {} virtual ~Base() = default; virtual int f() const noexcept { return n_; } protected: int n_; };
class Sub final : public Base { std::map<int, int> m_{{1, 2}}; public: Sub(int n) : Base(n), m_{{n, n}} { n_ = 1'000; }
  int f() const noexcept override { return m_.at(1); } bool operator==(const Sub& o) const { return n_ == o.n_; } };
template <typename T> T max(const T& a, const T& b) { return a < b ? b : a; }
enum class Kind { A, B };
std::string raw() { return R"x(a { " )x"; }
}
int main() { calc::Sub s(3); return calc::max(1, s.f()); }
