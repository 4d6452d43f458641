// Arguments with more than one form of value. Each function checks a value and returns the form in which it is kept;
// it throws ArgumentError, in one sentence, for what is wrong and for what is right but not supported yet. Internal to
// args/.
#pragma once

#include <string_view>

#include "boxcar/trainers/args/setting.h"

namespace boxcar {

Setting tidy_task(std::string_view name, const Setting& value);
Setting tidy_mode(std::string_view name, const Setting& value);
/// One data set; a list (a run for each) is not supported yet.
Setting tidy_data(std::string_view name, const Setting& value);
/// An integer >= 1; -1 and shares (automatic size) are not supported yet.
Setting tidy_batch(std::string_view name, const Setting& value);
/// false, true, "ram"; "disk" is not supported yet.
Setting tidy_cache(std::string_view name, const Setting& value);
Setting tidy_device(std::string_view name, const Setting& value);
/// Text or null; a number becomes text.
Setting tidy_folder_name(std::string_view name, const Setting& value);
/// bool or text that is not empty; null counts as false.
Setting tidy_switch_or_file(std::string_view name, const Setting& value);
Setting tidy_switch_or_text(std::string_view name, const Setting& value);
/// One of the rules, any case, returned in its usual spelling.
Setting tidy_optimizer(std::string_view name, const Setting& value);
/// bool, or fp16 / bf16 / fp32 in any case, returned in lower case.
Setting tidy_amp(std::string_view name, const Setting& value);
/// Share in (0,1], count > 1, or a list of two or three of these (the third may be 0). 1 becomes 1.0.
Setting tidy_fraction(std::string_view name, const Setting& value);
/// null, a count >= 0, or a list of layer numbers and name pieces.
Setting tidy_freeze(std::string_view name, const Setting& value);
Setting tidy_split(std::string_view name, const Setting& value);
Setting tidy_quantize(std::string_view name, const Setting& value);
/// null or true; false (NMS-free head) is not supported yet.
Setting tidy_nms(std::string_view name, const Setting& value);
/// A path or glob; cameras, streams and lists are not supported yet.
Setting tidy_source(std::string_view name, const Setting& value);
/// null, an integer >= 0 or a list of them.
Setting tidy_classes(std::string_view name, const Setting& value);
Setting tidy_copy_paste_mode(std::string_view name, const Setting& value);
/// A share in [0,1], or a pair of positive factors.
Setting tidy_scale(std::string_view name, const Setting& value);

/// How a value is shown in messages: 3, True, None, [1, 2], 'text'.
std::string shown(const Setting& value);

}  // namespace boxcar
